"""The input and output of `predict` and `evaluate`: sentences to tag, tagged sentences, tables of scores."""
