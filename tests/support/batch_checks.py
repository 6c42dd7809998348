"""Sentences to make batches of, and what holds of packed words."""

import numpy as np

from mlmt_jax.batches.packing import Encoded

WORD_ROWS, CHARACTER_ROWS = 40, 20


def make_sentences(lengths, seed: int = 0, longest_word: int = 12) -> list[Encoded]:
    """Sentences of known words, with ragged words; every index may occur."""
    random = np.random.default_rng(seed)
    sentences = []
    for n in lengths:
        sizes = random.integers(1, longest_word + 1, n)
        chars = random.integers(2, CHARACTER_ROWS, (n, max(sizes, default=0)))
        chars[np.arange(chars.shape[1]) >= sizes[:, None]] = 0
        words = random.integers(1, WORD_ROWS, n)
        tags = random.integers(0, 5, n)
        sentences.append(Encoded(*(a.astype(np.int32) for a in (words, chars, tags))))
    return sentences


def assert_packed(tokens, batch) -> None:
    """First words of all sentences, from the longest to the shortest, then second ones, and so on."""
    order = sorted(range(len(batch.lengths)), key=lambda i: -batch.lengths[i])
    wanted = [(i, j) for j in range(max(batch.lengths, default=0)) for i in order if j < batch.lengths[i]]
    assert len(tokens) >= len(wanted) + len(order)  # a window may begin behind the last word
    place = {where: p for p, where in enumerate(wanted)}
    for (i, j), p in place.items():
        assert batch.position[i, j] == p
        assert batch.places[p] == (i << 16) + j
        assert batch.back[p] == place[i, batch.lengths[i] - 1 - j]
    assert np.sum(batch.position < len(tokens)) == len(wanted)
    np.testing.assert_array_equal(batch.back[len(wanted) :], np.arange(len(wanted), len(batch.back)))
    numbers = [j for _, j in wanted]
    firsts = np.searchsorted(numbers, np.arange(batch.position.shape[1] + 1))
    np.testing.assert_array_equal(batch.starts, firsts)
