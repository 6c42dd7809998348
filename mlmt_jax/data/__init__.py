"""Corpora, tag schemes, vocabularies, vectors and batches, in numpy alone."""
