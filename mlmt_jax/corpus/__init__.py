"""The data of a run: data sets and their samples, tags, vocabularies and word vectors."""
