"""Word tables: the words of each embedding component, and the vectors that they start from."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mlmt_jax.config import Config, EmbeddingConfig
from mlmt_jax.corpus.vectors import Vectors, read_vectors
from mlmt_jax.corpus.vocabulary import WordVocab, build_word_vocab, fallback_forms
from mlmt_jax.text.findings import Finding, Findings

__all__ = ["VectorFiles", "rare_rows", "word_table"]


class VectorFiles:
    """The vector files of a config, each read once however many samples of the data want words of it."""

    def __init__(self, config: Config, others: Iterable[str] = ()):
        """``others``: all words that samples could hold, where there is more than one."""
        self._config = config
        self._others = _forms(others)
        self._read: dict[str, tuple[Vectors, Findings]] = {}

    def path(self, spec: EmbeddingConfig) -> Path:
        """Where a component's file is."""
        assert spec.file is not None
        return self._config.path(spec.file)

    def read(self, spec: EmbeddingConfig, words: Iterable[str]) -> tuple[Vectors, Findings]:
        """The first ``max_words`` vectors of a component's file, and those of the given words."""
        wanted = _forms(words)
        if spec.name not in self._read:
            self._read[spec.name] = read_vectors(
                self.path(spec), spec.dimension, max_words=spec.max_words, wanted=wanted | self._others
            )
        vectors, findings = self._read[spec.name]
        if self._others:
            keep = [i for i, word in enumerate(vectors.words) if i < spec.max_words or word in wanted]
            vectors = Vectors([vectors.words[i] for i in keep], vectors.matrix[keep])
        return vectors, findings


def _forms(words: Iterable[str]) -> frozenset[str]:
    return frozenset(form for word in words for form in fallback_forms(word))


def word_table(
    spec: EmbeddingConfig, counts: Counter[str], files: VectorFiles
) -> tuple[WordVocab, tuple[np.ndarray, np.ndarray] | None, list[Finding]]:
    """The words of an embedding component, the rows that have a vector with those vectors, and what is odd.

    Args:
        spec: the component.
        counts: training words of its tasks and how often each occurs.
        files: where vectors come from.
    """
    if spec.file is None:
        vocab, _ = build_word_vocab(counts, None, ignore_case=spec.ignore_case, keep_file=False)
        return vocab, None, []
    vectors, findings = files.read(spec, counts)
    vocab, pretrained = build_word_vocab(
        counts, vectors, ignore_case=spec.ignore_case, keep_file=spec.vocabulary == "file"
    )
    assert pretrained is not None
    with_vector = set(pretrained[0].tolist())
    covered = sum(count for word, count in counts.items() if vocab.row(word) in with_vector)
    total = sum(counts.values())
    about_coverage: list[Finding] = []
    if covered < 0.05 * total:
        example = next(iter(counts))
        text = (
            f"vectors cover {covered / total:.1%} of the {total} training words of {spec.name!r}: another "
            f"language, script or tokenisation? (the file has {vectors.words[0]!r}, the data {example!r})"
        )
        about_coverage.append(Finding(findings.path, None, text))
    if not len(pretrained[0]):
        pretrained = None
    return vocab, pretrained, [*findings, *about_coverage]


def rare_rows(vocab: WordVocab, counts: Counter[str]) -> np.ndarray:
    """(rows,) bool, those of words that occur once."""
    seen = np.zeros(vocab.size, np.int64)
    for word, count in counts.items():
        seen[vocab.row(word)] += count
    return seen == 1
