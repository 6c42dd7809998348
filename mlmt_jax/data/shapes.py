"""Which shapes a task's training batches are padded to: few, since each is a program to compile."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

__all__ = ["PaddedSizes", "choose_shapes", "count_shapes", "fit"]

# Microseconds on two CPU cores at the published sizes (hidden 171, 60 filters): a step's for a place for a
# word in a sentence, for a distinct word, for each of its characters; and those of compiling a program.
_PLACE, _DISTINCT, _CHARACTER, _PROGRAM = 8.6, 20.0, 0.13, 5.5e6

_WORD_MULTIPLE, _CHARACTER_MULTIPLE, _DISTINCT_MULTIPLE = 4, 8, 32
_MOST_WORD_SIZES, _MOST_CHARACTER_SIZES, _MOST_DISTINCT_SIZES = 2, 2, 3

# More sizes to choose from than these are thinned out: choosing should take no time that one notices.
_MOST_CANDIDATES = 12


class PaddedSizes(NamedTuple):
    """Ascending sizes of each axis that is padded; the last of each holds every batch."""

    words: tuple[int, ...]
    characters: tuple[int, ...]
    distinct: tuple[int, ...]


def fit(size: int, sizes: Sequence[int]) -> int:
    """The smallest of the ascending ``sizes`` that holds ``size``."""
    return next(s for s in sizes if s >= size)


def count_shapes(sizes: PaddedSizes, rows: int) -> int:
    """How many shapes batches of so many rows may have."""
    # One more for each, for a batch of as many distinct words as places.
    distinct = [sum(u < rows * n for u in sizes.distinct) + 1 for n in sizes.words]
    return sum(distinct) * len(sizes.characters)


def choose_shapes(needed: Sequence[tuple[int, int, int]], rows: int, steps: float) -> PaddedSizes:
    """The sizes that cost least, time to compute and to compile together.

    Args:
        needed: of each batch of an epoch, words of the longest sentence, characters of the longest word, and
            distinct words.
        rows: sentences a batch.
        steps: how many batches the run is thought to train on.

    Returns:
        PaddedSizes of which a batch takes the smallest that hold it.
    """
    words, characters, distinct = np.array(needed).T
    choices = [
        PaddedSizes(w, c, u)
        for w in _subsets(words, _WORD_MULTIPLE, _MOST_WORD_SIZES)
        for c in _subsets(characters, _CHARACTER_MULTIPLE, _MOST_CHARACTER_SIZES)
        for u in _subsets(distinct, _DISTINCT_MULTIPLE, _MOST_DISTINCT_SIZES)
    ]

    def cost(sizes: PaddedSizes) -> float:
        n, c, u = (
            np.array(own)[np.searchsorted(own, need)]
            for own, need in zip(sizes, (words, characters, distinct), strict=True)
        )
        u = np.minimum(u, rows * n)  # there are never more than places
        programs = len(set(zip(n.tolist(), c.tolist(), u.tolist(), strict=True)))
        computed = float(np.mean(_PLACE * rows * n + u * (_DISTINCT + _CHARACTER * c)))
        return computed * steps + _PROGRAM * programs

    return min(choices, key=cost)


def _subsets(needed: np.ndarray, multiple: int, most: int) -> Iterator[tuple[int, ...]]:
    """Choices of at most ``most`` sizes, the largest needed among them."""
    rounded = np.unique(-(-np.maximum(needed, 1) // multiple) * multiple)
    last, below = int(rounded[-1]), rounded[:-1]
    if len(below) > _MOST_CANDIDATES:
        below = below[np.linspace(0, len(below) - 1, _MOST_CANDIDATES).round().astype(int)]
    for count in range(min(most, len(below) + 1)):
        for chosen in combinations(below.tolist(), count):
            yield (*chosen, last)
