"""The batches of several runs at once: one shape, and a leading axis of runs."""

from collections.abc import Sequence

import numpy as np

from mlmt_jax.data.batching import TrainingBatches
from mlmt_jax.data.shapes import choose_shapes, count_shapes
from mlmt_jax.types import Batch

__all__ = ["StackedBatches"]


class StackedBatches:
    """The training batches of one task model in R runs.

    Runs visit short and long batches in one order (``TrainingBatches``), so that little is padded for the
    longest of them alone.
    """

    def __init__(self, runs: Sequence[TrainingBatches], multiple: int = 1):
        """``multiple``: sentences of a batch are filled up to a multiple of it."""
        self._runs = runs
        self.rows = -(-max(run.rows for run in runs) // multiple) * multiple
        epochs = zip(*(run.first_epoch for run in runs), strict=True)
        needed = [tuple(np.max(step, axis=0).tolist()) for step in epochs]
        self._sizes = choose_shapes(needed, self.rows, runs[0].expected_steps)

    @property
    def shapes(self) -> int:
        """How many shapes the batches may have: the programs that are compiled for them, at most."""
        return count_shapes(self._sizes, self.rows)

    def batch(self, step: int) -> Batch:
        """Batch ``step`` (from 0) of every run: arrays as in ``Batch``, with a leading axis R."""
        words, characters = zip(*(run.needed(step) for run in self._runs), strict=True)
        needed = max(words), max(characters)
        batches = [run.padded(step, self.rows, needed, self._sizes) for run in self._runs]
        places = max(len(batch.rows) for batch in batches)
        return Batch(*map(np.stack, zip(*(_filled(batch, places) for batch in batches), strict=True)))


def _filled(batch: Batch, places: int) -> Batch:
    """The batch with room for so many distinct words."""
    more = places - len(batch.rows)
    fill = lambda values: np.pad(values, [(0, more)] + [(0, 0)] * (values.ndim - 1))
    return batch._replace(rows=fill(batch.rows), words=fill(batch.words), chars=fill(batch.chars))
