"""The training batches of several replicas as one batch: one shape, and a leading axis of replicas."""

from collections.abc import Sequence

import numpy as np

from mlmt_jax.batches.packing import SharedLayout, assemble, batch_needs, largest_needs
from mlmt_jax.batches.shapes import Shape, choose_shapes, fit
from mlmt_jax.batches.training_batches import TrainingBatches
from mlmt_jax.types import Batch


class StackedBatches:
    """The training batches of one task model in R replicas.

    Replicas have short and long batches at the same steps (``TrainingBatches``), so that padding to the
    longest of them adds little.
    """

    def __init__(self, replicas: Sequence[TrainingBatches], parts: int | None = None):
        """Choose the shapes; ``parts`` is the number of devices to which a batch is dealt out, if any."""
        self._replicas, self._parts = replicas, parts
        multiple = parts or 1
        self.rows = -(-max(batches.rows for batches in replicas) // multiple) * multiple
        steps = zip(*(batches.first_epoch for batches in replicas), strict=True)
        needed = [largest_needs(needs).shape(multiple) for needs in steps]
        most = largest_needs([batches.most for batches in replicas]).shape(multiple)
        self.shapes: tuple[Shape, ...] = choose_shapes(needed, most, self.rows, replicas[0].expected_steps)

    def batch(self, step: int) -> Batch:
        """Assemble batch ``step`` (from 0) of all replicas.

        All arrays but ``step_starts`` have a leading axis R. If sentences are dealt out to parts, arrays that
        belong to sentences or packed words have the parts as second axis.
        """
        sentences = [batches.sentences(step) for batches in self._replicas]
        needs = largest_needs([batch_needs(replica, self.rows) for replica in sentences])
        shape = fit(needs.shape(self._parts or 1), self.shapes)
        layout = SharedLayout(needs.lengths, self._parts)
        batches = [assemble(replica, self.rows, shape, layout) for replica in sentences]
        stacked = Batch.from_arrays(
            [np.stack(arrays) for arrays in zip(*(b.arrays for b in batches), strict=True)]
        )
        shared = stacked.sentences._replace(step_starts=batches[0].sentences.step_starts)
        return stacked._replace(sentences=shared)
