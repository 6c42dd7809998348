"""The batches of several runs at once: one shape, and a leading axis of runs."""

from collections.abc import Sequence

import numpy as np

from mlmt_jax.batches.packing import assemble, together
from mlmt_jax.batches.shapes import Shape, choose_shapes, fit
from mlmt_jax.batches.training_batches import TrainingBatches
from mlmt_jax.types import Batch

__all__ = ["StackedBatches"]


class StackedBatches:
    """The training batches of one task model in R runs.

    Runs visit short and long batches in one order (``TrainingBatches``), so that little is padded for the
    longest of them alone.
    """

    def __init__(self, runs: Sequence[TrainingBatches], parts: int | None = None):
        """``parts``: into how many the sentences of each batch are dealt out, each with room for as many."""
        self._runs, self._parts = runs, parts
        multiple = parts or 1
        self.rows = -(-max(run.rows for run in runs) // multiple) * multiple
        epochs = zip(*(run.first_epoch for run in runs), strict=True)
        needed = [together(step).shape(multiple) for step in epochs]
        most = together([run.most for run in runs]).shape(multiple)
        self.shapes: tuple[Shape, ...] = choose_shapes(needed, most, self.rows, runs[0].expected_steps)

    def batch(self, step: int) -> Batch:
        """Batch ``step`` (from 0) of every run: arrays as in ``Batch`` with a leading axis R, but ``starts``.

        Where sentences are dealt out, arrays that belong to sentences or packed words have a second axis, of
        the parts.
        """
        contents = [run.contents(step) for run in self._runs]
        needs = together([own.needs(self.rows) for own in contents])
        shape = fit(needs.shape(self._parts or 1), self.shapes)
        batches = [assemble(own, self.rows, shape, needs.lengths, self._parts) for own in contents]
        stacked = Batch(*map(np.stack, zip(*batches, strict=True)))
        return stacked._replace(starts=batches[0].starts)
