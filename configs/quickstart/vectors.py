"""Word vectors of raw sentences by positive pointwise mutual information and a truncated SVD."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

DIMENSION = 50
WINDOW = 2
MIN_COUNT = 3
MAX_WORDS = 1500
COMPONENT_STD = 0.5
SMOOTHING = 0.75  # exponent of the context counts, which keeps rare contexts from dominating


def train_vectors(sentences: Sequence[Sequence[str]]) -> tuple[list[str], np.ndarray]:
    """Return the words, most frequent first, and their vectors.

    With counts C of word pairs at most `WINDOW` apart, M = max(0, log p(w, c) / (p(w) p(c)^0.75)) = U S V^T,
    and the vectors are the first columns of U sqrt(S), scaled to the standard deviation `COMPONENT_STD`.
    """
    counts = Counter(word for sentence in sentences for word in sentence)
    words = sorted((w for w, n in counts.items() if n >= MIN_COUNT), key=lambda w: (-counts[w], w))[
        :MAX_WORDS
    ]
    row_of = {word: row for row, word in enumerate(words)}
    pairs = np.zeros((len(words), len(words)))
    for sentence in sentences:
        rows = [row_of.get(word, -1) for word in sentence]
        for i, center in enumerate(rows):
            for context in rows[max(0, i - WINDOW) : i]:
                if center >= 0 and context >= 0:
                    pairs[center, context] += 1
                    pairs[context, center] += 1

    word_share = pairs.sum(axis=1, keepdims=True) / pairs.sum()
    context_share = pairs.sum(axis=0) ** SMOOTHING / (pairs.sum(axis=0) ** SMOOTHING).sum()
    ratio = np.divide(
        pairs / pairs.sum(), word_share * context_share, out=np.ones_like(pairs), where=pairs > 0
    )
    left, singular, _ = np.linalg.svd(np.maximum(0.0, np.log(ratio)))
    vectors = left[:, :DIMENSION] * np.sqrt(singular[:DIMENSION])
    # The sign of a singular vector is arbitrary: make the largest component positive.
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(DIMENSION)]
    vectors = vectors * np.sign(largest)
    return words, vectors * (COMPONENT_STD / vectors.std())


def write_vectors(path: Path, words: Sequence[str], vectors: np.ndarray) -> None:
    """Write word2vec text: a header "count dimension", then a word and its vector per line."""
    lines = [f"{len(words)} {vectors.shape[1]}"]
    lines += [f"{word} {' '.join(f'{x:.4f}' for x in row)}" for word, row in zip(words, vectors, strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
