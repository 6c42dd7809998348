"""The few shapes to which a task's training batches are padded: each is a program to compile."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np


class Shape(NamedTuple):
    """The sizes of a batch, apart from its number of sentences."""

    sentence_words: int  # n, words to which each sentence is padded
    packed_words: int  # P
    distinct_words: int  # U
    chars: int  # C


# Microseconds on two CPU cores at the published sizes (hidden 171, 60 filters): of a step for a padded word
# of a sentence, a packed word, a distinct word, a character; and of compiling a program.
_COSTS = np.array([1.0, 30.0, 6.0, 0.6])
_PROGRAM_COST = 5.5e6

_MULTIPLES = np.array([4, 16, 16, 64])
_MOST_SHAPES = 4

# The batches of other epochs are a little larger here and there.
_MARGINS = np.array([1.0, 1.03, 1.05, 1.05])

# If there are more sizes, only so many are considered: the choice must not take noticeable time.
_MOST_CANDIDATES = 12


def fit(need: Shape, shapes: Sequence[Shape]) -> Shape:
    """Return the first of the shapes that is at least ``need`` in every size.

    Raises:
        StopIteration: if there is none.
    """
    return next(shape for shape in shapes if all(a <= b for a, b in zip(need, shape, strict=True)))


def choose_shapes(needed: Sequence[Shape], most: Shape, rows: int, steps: float) -> tuple[Shape, ...]:
    """Choose the shapes with the least time for computing and compiling together.

    Args:
        needed: the least shape of each batch of an epoch.
        most: a shape that every batch of any epoch fits.
        rows: sentences per batch.
        steps: number of batches on which the run is expected to train.

    Returns:
        Ascending shapes. A batch uses the first that it fits; the last one is ``most``, rounded up.
    """
    limit = _rounded(np.array(most))
    sizes = np.minimum(_rounded(np.array(needed) * _MARGINS), limit)
    costs = _COSTS * [rows, 1, 1, 1]

    def cost(shapes: np.ndarray) -> float:
        fitting = np.argmax(np.all(sizes[:, None] <= shapes, -1), 1)
        return float(np.mean(shapes[fitting] @ costs)) * steps + _PROGRAM_COST * len(shapes)

    best = min(_choices(sizes, limit), key=cost)
    return tuple(Shape(*shape) for shape in best.tolist())


def _rounded(sizes: np.ndarray) -> np.ndarray:
    """Round sizes (..., 4), at least 1, up to ``_MULTIPLES``."""
    return (np.ceil(np.maximum(sizes, 1) / _MULTIPLES) * _MULTIPLES).astype(int)


def _choices(sizes: np.ndarray, limit: np.ndarray) -> Iterator[np.ndarray]:
    """Yield sets of ascending shapes (k, 4) that end with ``limit``.

    A set divides the batches by their packed words. Each shape of it is the least that fits its batches.

    Args:
        sizes: the least shape of each batch (batches, 4).
        limit: a shape that all of them fit (4,).
    """
    packed = np.unique(sizes[:, 1])
    if len(packed) > _MOST_CANDIDATES:
        packed = packed[np.linspace(0, len(packed) - 1, _MOST_CANDIDATES).round().astype(int)]
    candidates = [sizes[sizes[:, 1] <= size].max(0) for size in packed]
    for count in range(_MOST_SHAPES):
        for chosen in combinations(candidates, count):
            yield np.array([*(shape for shape in chosen if np.any(shape != limit)), limit])
