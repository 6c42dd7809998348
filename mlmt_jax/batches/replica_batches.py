"""The training batches of several replicas as one batch: one shape, and a leading axis of replicas."""

from collections.abc import Iterator, Sequence
from copy import copy
from functools import cached_property
from typing import Self

import numpy as np

from mlmt_jax.batches.packing import SharedLayout, assemble, batch_needs, largest_needs
from mlmt_jax.batches.shapes import Padding, TaskNeeds, choose_padding, fit
from mlmt_jax.batches.training_batches import TrainingBatches
from mlmt_jax.types import Batch


class StackedBatches:
    """The training batches of one task model in R replicas.

    Replicas have short and long batches at the same steps (``TrainingBatches``), so that padding to the
    longest of them adds little.
    """

    def __init__(self, replicas: Sequence[TrainingBatches], parts: int | None = None):
        """Keep the batches; ``parts`` is the number of devices to which a batch is dealt out, if any."""
        self._replicas, self._parts = replicas, parts

    @cached_property
    def needs(self) -> TaskNeeds:
        """The needs of the batches of all replicas together."""
        replicas = [batches.needs for batches in self._replicas]
        steps = zip(*(needs.batches for needs in replicas), strict=True)
        batches, most = [largest_needs(needs) for needs in steps], [needs.most for needs in replicas]
        return TaskNeeds(batches, largest_needs(most), replicas[0].steps)

    @cached_property
    def padding(self) -> Padding:
        """The sizes to which the batches are padded: by default those that suit this task model alone."""
        return choose_padding([self.needs], self._parts or 1)

    def padded(self, padding: Padding) -> Self:
        """Return the same batches, padded to other sizes."""
        batches = copy(self)
        batches.padding = padding
        return batches

    def batch(self, step: int) -> Batch:
        """Assemble batch ``step`` (from 0) of all replicas.

        All arrays but ``step_starts`` have a leading axis R. If sentences are dealt out to parts, arrays that
        belong to sentences or packed words have the parts as second axis.
        """
        sentences, (rows, shapes) = [batches.sentences(step) for batches in self._replicas], self.padding
        needs = largest_needs([batch_needs(replica, rows) for replica in sentences])
        shape = fit(needs.shape(rows, self._parts or 1), shapes)
        layout = SharedLayout(needs.lengths, self._parts)
        return _stack([assemble(replica, rows, shape, layout) for replica in sentences])

    def examples(self) -> Iterator[Batch]:
        """Yield a batch without sentences of each shape."""
        replicas = [batches.padded(self.padding).examples() for batches in self._replicas]
        yield from map(_stack, zip(*replicas, strict=True))


def _stack(batches: Sequence[Batch]) -> Batch:
    """Return batches of one layout as one, with a leading axis for all arrays but ``step_starts``."""
    arrays = zip(*(batch.arrays for batch in batches), strict=True)
    stacked = Batch.from_arrays([np.stack(same) for same in arrays])
    shared = stacked.sentences._replace(step_starts=batches[0].sentences.step_starts)
    return stacked._replace(sentences=shared)
