"""Word tables from a vector file and training words."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from word_search import TABLES, WORDS, search

from mlmt_jax.config import EmbeddingConfig
from mlmt_jax.corpus.vectors import Vectors
from mlmt_jax.corpus.vocabulary import WordVocab
from mlmt_jax.corpus.word_tables import PretrainedRows, VectorFile, build_word_table
from mlmt_jax.text.findings import Findings


def make_vectors(words: list[str], dimension: int = 3) -> Vectors:
    """Return distinct vectors: 0.5, 1.5, 2.5, ... in the order of the words."""
    matrix = np.arange(len(words) * dimension, dtype=np.float32).reshape(-1, dimension) + 0.5
    return Vectors(words, matrix)


def build(
    counts: Mapping[str, int], vectors: Vectors, *, ignore_case: bool, keep_file: bool
) -> tuple[WordVocab, PretrainedRows | None]:
    """Return vocabulary and pretrained rows of a table."""
    data = {"name": "words", "model": "embedding", "dimension": 3, "ignore_case": ignore_case}
    spec = EmbeddingConfig(**data, vocabulary="file" if keep_file else "data")
    table = build_word_table(spec, Counter(counts), VectorFile(vectors, Findings("vectors")))
    return table.vocab, table.pretrained


def test_table_lists_file_words_then_training_words_by_frequency():
    counts = {"new": 1, "Cape": 2, "town": 9, "ash": 1, "often": 5}
    vocab, pretrained = build(counts, make_vectors(["the", "town", "Of"]), ignore_case=False, keep_file=True)
    assert vocab.words == ("the", "town", "Of", "often", "Cape", "ash", "new")
    assert pretrained is not None
    rows, matrix = pretrained
    assert rows.tolist() == [1, 2, 3]
    assert matrix.tolist() == [[0.5, 1.5, 2.5], [3.5, 4.5, 5.5], [6.5, 7.5, 8.5]]


def test_table_without_file_words_keeps_vectors_of_training_words():
    counts = {"new": 1, "town": 9}
    vocab, pretrained = build(counts, make_vectors(["the", "town", "of"]), ignore_case=False, keep_file=False)
    assert vocab.words == ("town", "new")
    assert vocab.row("the") == 0
    assert pretrained is not None
    assert (pretrained[0].tolist(), pretrained[1].tolist()) == ([1], [[3.5, 4.5, 5.5]])


def test_training_word_starts_from_vector_of_its_fallback():
    counts = {"TOWN": 3, "R77": 2, "lost": 1}
    file = make_vectors(["Town", "town", "r00"])
    vocab, pretrained = build(counts, file, ignore_case=False, keep_file=False)
    assert vocab.words == ("TOWN", "R77", "lost")
    assert pretrained is not None
    assert pretrained[0].tolist() == [1, 2]
    assert pretrained[1].tolist() == file.matrix[[1, 2]].tolist()


def test_table_without_file_has_no_vectors():
    vocab, pretrained = build({"a": 1, "B": 2}, make_vectors([]), ignore_case=False, keep_file=True)
    assert (vocab.words, pretrained) == (("B", "a"), None)


def test_ignore_case_merges_words():
    counts = {"The": 2, "the": 2, "Piet": 3, "NEW": 1, "New": 4}
    file = make_vectors(["THE", "of", "the", "Piet"])
    vocab, pretrained = build(counts, file, ignore_case=True, keep_file=True)
    assert vocab.words == ("the", "of", "piet", "new")
    assert pretrained is not None
    assert pretrained[0].tolist() == [1, 2, 3]
    # If the file has the lower-case word, its vector is used.
    assert pretrained[1].tolist() == file.matrix[[2, 1, 3]].tolist()


@given(TABLES, st.lists(WORDS, max_size=15), st.booleans(), st.booleans())
@settings(max_examples=150)
def test_table_has_every_training_word_with_its_vector(file_words, training_words, ignore_case, keep_file):
    file = make_vectors(file_words)
    normal = str.lower if ignore_case else str
    vocab, pretrained = build(Counter(training_words), file, ignore_case=ignore_case, keep_file=keep_file)
    known = {normal(word) for word in (training_words + (file_words if keep_file else []))}
    assert len(vocab.words) == len(set(vocab.words))
    assert set(vocab.words) == known
    vectors = {int(row): vector.tolist() for row, vector in zip(*(pretrained or ((), ())), strict=True)}
    sources = {row: search(file_words, word) for row, word in enumerate(vocab.words, 1)}
    assert vectors == {row: file.matrix[source - 1].tolist() for row, source in sources.items() if source}
