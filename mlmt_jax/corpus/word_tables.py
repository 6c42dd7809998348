"""Word tables: the words of each embedding component, and the vectors from which their rows start."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from mlmt_jax.config import Config, EmbeddingConfig
from mlmt_jax.corpus.vectors import Vectors, read_vectors
from mlmt_jax.corpus.vocabulary import WordVocab, fallback_forms
from mlmt_jax.text.findings import Finding, Findings

_MIN_COVERAGE = 0.05  # share of the training words below which the vectors seem to be of another language


#: Words of a file with their vectors, and the findings of the file.
VectorFile = tuple[Vectors, Findings]


class PretrainedRows(NamedTuple):
    """The rows of a word table that start from a vector file; all others start from random numbers."""

    rows: np.ndarray  # (k,) int64, ascending
    vectors: np.ndarray  # (k, d) float32


class WordTable(NamedTuple):
    """The contents of one embedding component before training."""

    vocab: WordVocab
    pretrained: PretrainedRows | None  # None if no row has a vector
    rare: np.ndarray  # (vocab.size,) bool, true for words that occur once in the training data
    findings: list[Finding]  # about the vector file


def read_component_vectors(config: Config, spec: EmbeddingConfig, words: Iterable[str]) -> VectorFile | None:
    """Read the first `max_words` vectors of a component's file, and those of the fallback forms of words.

    Returns:
        Vectors and findings of the file; None if the component has no file.

    Raises:
        DataError: if the file cannot be read as vectors of the component's dimension.
    """
    if spec.file is None:
        return None
    path = config.path(spec.file)
    return read_vectors(path, spec.dimension, max_words=spec.max_words, wanted=_forms(words))


def _forms(words: Iterable[str]) -> set[str]:
    """Return the fallback forms of all words, the words themselves among them."""
    return {form for word in words for form in fallback_forms(word)}


def build_word_table(spec: EmbeddingConfig, counts: Counter[str], file: VectorFile | None) -> WordTable:
    """Build the word table of an embedding component.

    Args:
        spec: the component.
        counts: the training words of its tasks, and how often each occurs.
        file: result of `read_component_vectors` for these words or more; further vectors are dropped.
    """
    vectors = _needed_vectors(file[0], spec.max_words, counts) if file else None
    keep_file = spec.vocabulary == "file"
    vocab, pretrained = build_word_vocab(counts, vectors, ignore_case=spec.ignore_case, keep_file=keep_file)
    occurrences = np.zeros(vocab.size, np.int64)
    for word, count in counts.items():
        occurrences[vocab.row(word)] += count
    rare = occurrences == 1
    if file is None or vectors is None or pretrained is None:
        return WordTable(vocab, None, rare, [])
    findings = list(file[1])
    covered, total = int(occurrences[pretrained.rows].sum()), sum(counts.values())
    if covered < _MIN_COVERAGE * total:
        example = next(iter(counts))
        text = (
            f"vectors cover {covered / total:.1%} of the {total} training words of {spec.name!r}: another "
            f"language, script or tokenisation? (the file has {vectors.words[0]!r}, the data {example!r})"
        )
        findings.append(Finding(file[1].path, None, text))
    return WordTable(vocab, pretrained if len(pretrained.rows) else None, rare, findings)


def _needed_vectors(vectors: Vectors, max_words: int, words: Iterable[str]) -> Vectors:
    """Return the first vectors and those of the fallback forms of words."""
    forms = _forms(words)
    kept = [i for i, word in enumerate(vectors.words) if i < max_words or word in forms]
    if len(kept) == len(vectors.words):  # always for a single sample: saves a copy of the matrix
        return vectors
    return Vectors([vectors.words[i] for i in kept], vectors.matrix[kept])


def build_word_vocab(
    counts: Mapping[str, int], vectors: Vectors | None, *, ignore_case: bool, keep_file: bool
) -> tuple[WordVocab, PretrainedRows | None]:
    """Build the words of a table: those of the vector file in its order, then the other training words.

    Training words are sorted by falling count, then alphabetically.

    Args:
        counts: the training words, and how often each occurs.
        vectors: the vectors of the file; None if there is no file.
        ignore_case: lower-case all words.
        keep_file: keep words that only the file has, for sentences that are tagged later.

    Returns:
        The vocabulary, and the rows that have a vector; None if there is no file. A training word that the
        file lacks starts from the vector of the word of the file that it falls back to.
    """
    normal = str.lower if ignore_case else str
    training = Counter()
    for word, count in counts.items():
        training[normal(word)] += count
    words: dict[str, None] = {}
    if vectors is not None and keep_file:
        words.update(dict.fromkeys(map(normal, vectors.words)))
    words.update(dict.fromkeys(sorted(training, key=lambda word: (-training[word], word))))
    vocab = WordVocab(tuple(words), ignore_case)
    if vectors is None:
        return vocab, None
    sources = WordVocab(tuple(vectors.words)).rows(vocab.words)  # the row among the file's words; 0: none
    rows = np.flatnonzero(sources)
    return vocab, PretrainedRows(rows + 1, vectors.matrix[sources[rows] - 1])
