"""Which shapes a task's training batches are padded to: few, since each is a program to compile."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

__all__ = ["Shape", "choose_shapes", "fit"]


class Shape(NamedTuple):
    """Sizes of a batch, but for its sentences."""

    words: int  # places of a sentence: n
    packed: int  # P
    distinct: int  # U
    letters: int  # C


# Microseconds on two CPU cores at the published sizes (hidden 171, 60 filters): a step's for a place for a
# word in a sentence, for a packed word, for a distinct word, for a character; those of compiling a program.
_COSTS = np.array([1.0, 30.0, 6.0, 0.6])
_PROGRAM = 5.5e6

_MULTIPLES = np.array([4, 16, 16, 64])
_MOST_SHAPES = 4

# The batches of other epochs are a little larger here and there.
_MARGINS = np.array([1.0, 1.03, 1.05, 1.05])

# More sizes to choose from than these are thinned out: choosing should take no time that one notices.
_MOST_CANDIDATES = 12


def fit(need: Shape, shapes: Sequence[Shape]) -> Shape:
    """The first of the shapes that holds what is needed."""
    return next(shape for shape in shapes if all(a <= b for a, b in zip(need, shape, strict=True)))


def choose_shapes(needed: Sequence[Shape], most: Shape, rows: int, steps: float) -> tuple[Shape, ...]:
    """The shapes that cost least, time to compute and to compile together.

    Args:
        needed: of each batch of an epoch.
        most: what any batch needs at most.
        rows: sentences a batch.
        steps: how many batches the run is thought to train on.

    Returns:
        Ascending shapes, of which a batch takes the first that holds it; the last one is ``most``, rounded.
    """
    limit = _rounded(np.array(most))
    sizes = np.minimum(_rounded(np.array(needed) * _MARGINS), limit)
    costs = _COSTS * [rows, 1, 1, 1]

    def cost(shapes: np.ndarray) -> float:
        fitting = np.argmax(np.all(sizes[:, None] <= shapes, -1), 1)
        return float(np.mean(shapes[fitting] @ costs)) * steps + _PROGRAM * len(shapes)

    best = min(_choices(sizes, limit), key=cost)
    return tuple(Shape(*shape) for shape in best.tolist())


def _rounded(sizes: np.ndarray) -> np.ndarray:
    return (np.ceil(np.maximum(sizes, 1) / _MULTIPLES) * _MULTIPLES).astype(int)


def _choices(sizes: np.ndarray, limit: np.ndarray) -> Iterator[np.ndarray]:
    """Shapes that hold all of these, and the limit: batches are parted by their packed words."""
    packed = np.unique(sizes[:, 1])
    if len(packed) > _MOST_CANDIDATES:
        packed = packed[np.linspace(0, len(packed) - 1, _MOST_CANDIDATES).round().astype(int)]
    upto = {size: sizes[sizes[:, 1] <= size].max(0) for size in packed.tolist()}
    for count in range(_MOST_SHAPES):
        for chosen in combinations(upto, count):
            yield np.array([*(own for own in map(upto.get, chosen) if np.any(own != limit)), limit])
