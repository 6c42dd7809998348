"""Which shapes a task's training batches are padded to: few, since each is a program to compile."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

__all__ = ["choose_shapes", "fit"]

# Shares of one step's time, as measured on two CPU cores at the published sizes (hidden 171, 60 filters):
# a word's LSTM takes as long as 60 of its characters take; a program compiles in the time of 70,000 words.
_CHARACTERS_A_WORD = 60.0
_WORDS_A_PROGRAM = 70_000.0

_WORD_MULTIPLE, _CHARACTER_MULTIPLE = 4, 8
_MOST_WORD_SIZES, _MOST_CHARACTER_SIZES = 3, 2


def fit(size: int, sizes: Sequence[int]) -> int:
    """The smallest of the ascending ``sizes`` that holds ``size``."""
    return next(s for s in sizes if s >= size)


def choose_shapes(
    needed: Sequence[tuple[int, int]], rows: int, steps: float
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The word sizes and character sizes that cost least, time to compute and to compile together.

    Args:
        needed: (words, characters) of the longest sentence and word of each batch of an epoch.
        rows: sentences a batch.
        steps: how many batches the run is thought to train on.

    Returns:
        Ascending sizes; the last of each holds every batch. A batch takes the smallest that hold it.
    """
    words, characters = np.array(needed).T
    choices = [
        (w, c)
        for w in _subsets(words, _WORD_MULTIPLE, _MOST_WORD_SIZES)
        for c in _subsets(characters, _CHARACTER_MULTIPLE, _MOST_CHARACTER_SIZES)
    ]

    def cost(choice: tuple[tuple[int, ...], tuple[int, ...]]) -> float:
        n = np.array(choice[0])[np.searchsorted(choice[0], words)]
        c = np.array(choice[1])[np.searchsorted(choice[1], characters)]
        programs = len(set(zip(n.tolist(), c.tolist(), strict=True)))
        computed = float(np.mean(n * (1.0 + c / _CHARACTERS_A_WORD)))
        return computed * rows * steps + _WORDS_A_PROGRAM * programs

    return min(choices, key=cost)


def _subsets(needed: np.ndarray, multiple: int, most: int) -> Iterator[tuple[int, ...]]:
    """All choices of at most ``most`` sizes, the largest needed among them."""
    rounded = np.unique(-(-np.maximum(needed, 1) // multiple) * multiple).tolist()
    for count in range(min(most, len(rounded))):
        for chosen in combinations(rounded[:-1], count):
            yield (*chosen, rounded[-1])
