"""The few shapes to which training batches are padded: each is a program to compile.

All sizes of a shape follow from its packed words, which are one of a fixed ladder of sizes. So other data of
about the same sizes needs no other programs, and task models that share a program share its shapes.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import count
from typing import NamedTuple

import numpy as np


class Shape(NamedTuple):
    """The sizes of a batch, apart from its number of sentences."""

    sentence_words: int  # n, words to which each sentence is padded
    packed_words: int  # P
    distinct_words: int  # U
    chars: int  # C


class Needs(NamedTuple):
    """The least sizes that a batch must have."""

    lengths: np.ndarray  # (B,) int32, words of the sentences, in descending order
    distinct_words: int
    chars: int  # characters of the distinct words

    def shape(self, rows: int = 0, parts: int = 1) -> Shape:
        """Return the smallest shape of a batch with these needs.

        Args:
            rows: number of sentences of the batch, further ones being empty; at least that of ``lengths``.
            parts: number of parts, at least 1, to which sentences are dealt out in turn (``SharedLayout``).
                The room for packed words is that of one part; the other sizes do not depend on it.
        """
        slots = self.lengths[::parts]  # the longest sentence in each row of any part
        # The LSTM's last window begins at most here, and has a row for every sentence.
        packed_words = int(slots.sum()) + -(-max(rows, len(self.lengths)) // parts)
        return Shape(int(self.lengths.max(initial=0)), packed_words, self.distinct_words, self.chars)


class TaskNeeds(NamedTuple):
    """The needs of a task model's training batches."""

    batches: Sequence[Needs]  # of the first epoch
    most: Needs  # that no batch of any epoch exceeds
    steps: float  # expected number of steps of the task model


class Padding(NamedTuple):
    """The sizes to which training batches are padded."""

    rows: int  # sentences of a batch
    shapes: tuple[Shape, ...]  # ascending; a batch uses the first that it fits


# Microseconds of a step for each packed word of its shape, with what belongs to it, and of compiling a
# program: on two CPU cores at the published sizes (hidden 171, 60 filters).
_WORD_COST, _PROGRAM_COST = 25.0, 5.5e6

# The ladder is 16 * 2^(k/4), rounded up to multiples of 16.
_MULTIPLE, _RUNGS = 16, 4

# Words to which a sentence is padded, relative to the mean room of a sentence.
_LONGEST_SENTENCE = 2.5


def fit(need: Shape, shapes: Iterable[Shape]) -> Shape:
    """Return the first of the shapes that is at least ``need`` in every size.

    Raises:
        StopIteration: if there is none.
    """
    return next(shape for shape in shapes if all(a <= b for a, b in zip(need, shape, strict=True)))


def choose_padding(tasks: Sequence[TaskNeeds], parts: int = 1) -> Padding:
    """Choose one or two shapes for the batches of all task models together.

    The larger shape fits every batch. The smaller one is the size of the ladder with the least time for
    computing and compiling together, if that is less than with the larger shape alone.

    Args:
        tasks: needs of the task models that share programs, at least one.
        parts: number of parts to which the sentences of a batch are dealt out.
    """
    rows = -(-max(len(task.most.lengths) for task in tasks) // parts) * parts
    batches = [needs for task in tasks for needs in task.batches]
    words = sum(int(needs.lengths.sum()) for needs in batches)
    word_chars = math.ceil(sum(needs.chars for needs in batches) / max(words, 1)) or 1

    def shape(packed_words: int) -> Shape:
        """Return the shape with this number of packed words."""
        all_words = packed_words * parts
        n = -(-math.ceil(_LONGEST_SENTENCE * all_words / rows) // 8) * 8
        return Shape(n, packed_words, all_words, word_chars * all_words)

    def least_words(needs: Needs) -> int:
        """Return the packed words of the smallest shape of the ladder that fits."""
        shapes = (shape(_MULTIPLE * math.ceil(2 ** (k / _RUNGS))) for k in count())
        return fit(needs.shape(rows, parts), shapes).packed_words

    largest = max(least_words(task.most) for task in tasks)
    needed = np.array([min(least_words(needs), largest) for needs in batches])
    steps = np.concatenate([np.full(len(task.batches), task.steps / len(task.batches)) for task in tasks])

    def cost(small: int) -> float:
        """Return the microseconds of a run whose small shape has these packed words."""
        used = np.where(needed <= small, small, largest)
        return _WORD_COST * float(used @ steps) + _PROGRAM_COST * (small < largest)

    small = min((*map(int, np.unique(needed)), largest), key=cost)
    return Padding(rows, tuple(shape(words) for words in sorted({small, largest})))
