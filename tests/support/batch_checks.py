"""Random sentences for batches, and checks of how their words are packed."""

from collections.abc import Sequence

import numpy as np
from dense import DenseSentence

from mlmt_jax.types import PackedSentences

WORD_ROWS, CHARACTER_ROWS = 40, 20


def make_sentences(
    lengths: Sequence[int] | np.ndarray, seed: int = 0, longest_word: int = 12
) -> list[DenseSentence]:
    """Draw sentences of in-vocabulary words of 1 to ``longest_word`` characters; every row may occur."""
    random = np.random.default_rng(seed)
    sentences = []
    for n in lengths:
        sizes = random.integers(1, longest_word + 1, n)
        chars = random.integers(2, CHARACTER_ROWS, (n, max(sizes, default=0)))
        chars[np.arange(chars.shape[1]) >= sizes[:, None]] = 0
        words = random.integers(1, WORD_ROWS, n)
        tags = random.integers(0, 5, n)
        sentences.append(DenseSentence(*(array.astype(np.int32) for array in (words, chars, tags))))
    return sentences


def assert_packed(word_ids: np.ndarray, sentences: PackedSentences) -> None:
    """Check the order of packed words: first words, from the longest sentence on, then second words, etc."""
    lengths = np.asarray(sentences.lengths).tolist()
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    expected = [(i, j) for j in range(max(lengths, default=0)) for i in order if j < lengths[i]]
    assert len(word_ids) >= len(expected) + len(order)  # a window may begin at the end of the words
    index = {word: p for p, word in enumerate(expected)}
    for (i, j), p in index.items():
        assert sentences.packed_index[i, j] == p
        assert sentences.dropout_ids[p] == (i << 16) + j
        assert sentences.reversal[p] == index[i, lengths[i] - 1 - j]
    assert np.sum(sentences.packed_index < len(word_ids)) == len(expected)
    reversal = sentences.reversal
    np.testing.assert_array_equal(reversal[len(expected) :], np.arange(len(expected), len(reversal)))
    numbers = [j for _, j in expected]
    starts = np.searchsorted(numbers, np.arange(sentences.packed_index.shape[1] + 1))
    np.testing.assert_array_equal(sentences.step_starts, starts)
