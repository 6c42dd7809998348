"""Word tables: the words of each embedding component, and the vectors from which their rows start."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from mlmt_jax.config import Config, EmbeddingConfig
from mlmt_jax.corpus.vectors import Vectors, read_vectors
from mlmt_jax.corpus.vocabulary import WordVocab, fallback_forms
from mlmt_jax.text.findings import Finding, Findings

_MIN_COVERAGE = 0.05  # share of the training words below which the vectors seem to be of another language


class VectorFile(NamedTuple):
    """The vectors of the file of an embedding component, and what reading found."""

    vectors: Vectors
    findings: Findings
    rotation: np.ndarray | None = None  # (d, d) float32 by which the vectors were multiplied, or None


class PretrainedRows(NamedTuple):
    """The rows of a word table that start from a vector file; all others start from random numbers."""

    rows: np.ndarray  # (k,) int64, ascending
    vectors: np.ndarray  # (k, d) float32


class WordTable(NamedTuple):
    """The contents of one embedding component before training."""

    vocab: WordVocab
    pretrained: PretrainedRows | None  # None if no row has a vector
    rare: np.ndarray  # (vocab.size,) bool, true for rows whose words occur once in the training data
    findings: list[Finding]  # about the vector file


def read_component_vectors(config: Config, spec: EmbeddingConfig, words: Iterable[str]) -> VectorFile:
    """Read the first `max_words` vectors of a component's file, and those of the fallback forms of words.

    Returns:
        Vectors and findings of the file; none of either if the component has no file.

    Raises:
        DataError: if the file cannot be read as vectors of the component's dimension.
    """
    if spec.file is None:
        return VectorFile(Vectors([], np.empty((0, spec.dimension), np.float32)), Findings(""))
    path = config.path(spec.file)
    return VectorFile(
        *read_vectors(path, spec.dimension, max_words=spec.max_words, extra_words=_forms(words))
    )


def build_word_table(spec: EmbeddingConfig, counts: Counter[str], file: VectorFile) -> WordTable:
    """Build the word table of an embedding component.

    The words of the file come first, in its order, unless `spec.vocabulary` is "data". Then come the other
    training words, by falling count. A training word that the file lacks starts from the vector of the
    word of the file that it falls back to.

    Args:
        spec: the component.
        counts: the training words of its tasks, and how often each occurs.
        file: result of `read_component_vectors` for these words or more; further vectors are dropped.
    """
    vectors = _needed_vectors(file.vectors, spec.max_words, counts)
    normal = str.lower if spec.ignore_case else str
    training = Counter()
    for word, count in counts.items():
        training[normal(word)] += count
    words = sorted(training, key=lambda word: (-training[word], word))
    if spec.vocabulary == "file":
        words = [*map(normal, vectors.words), *words]
    vocab = WordVocab(tuple(dict.fromkeys(words)), spec.ignore_case)
    sources = WordVocab(tuple(vectors.words)).rows(vocab.words)  # row among the words of the file; 0: none
    rows = 1 + np.flatnonzero(sources)
    pretrained = PretrainedRows(rows, vectors.matrix[sources[rows - 1] - 1]) if len(rows) else None
    occurrences = np.bincount(vocab.rows(counts), list(counts.values()), vocab.size)
    findings, covered, total = [*file.findings], occurrences[rows].sum(), counts.total()
    if vectors.words and covered < _MIN_COVERAGE * total:
        text = (
            f"vectors cover {covered / total:.1%} of the {total} training words of {spec.name!r}: "
            "another language, script or tokenisation? "
            f"(the file has {vectors.words[0]!r}, the data {next(iter(counts))!r})"
        )
        findings.append(Finding(file.findings.path, None, text))
    return WordTable(vocab, pretrained, occurrences == 1, findings)


def _needed_vectors(vectors: Vectors, max_words: int, words: Iterable[str]) -> Vectors:
    """Return the first `max_words` vectors and those of the fallback forms of words."""
    forms = _forms(words)
    indices = [i for i, word in enumerate(vectors.words) if i < max_words or word in forms]
    if len(indices) == len(vectors.words):  # always so for a single sample: no copy of the matrix
        return vectors
    return Vectors([vectors.words[i] for i in indices], vectors.matrix[indices])


def _forms(words: Iterable[str]) -> set[str]:
    """Return the fallback forms of all words, the words themselves among them."""
    return {form for word in words for form in fallback_forms(word)}
