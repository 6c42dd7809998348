"""From sentences to a corpus: data sets, samples, vocabularies and word vectors."""
