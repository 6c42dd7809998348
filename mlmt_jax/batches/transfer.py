"""A batch as one flat array, which a process or device receives faster than twelve small ones."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from mlmt_jax.types import Batch


@dataclass(frozen=True)
class FlatBatch:
    """The arrays of a batch, end to end."""

    values: Any  # (L,) int32, a NumPy or JAX array
    shapes: tuple[tuple[int, ...], ...]  # shape of each array, in the order of ``Batch.arrays``

    @property
    def first(self) -> Any:
        """The first array, ``DistinctWords.table_rows``."""
        return self.values[: prod(self.shapes[0])].reshape(self.shapes[0])


def flatten(batch: Batch) -> FlatBatch:
    """Concatenate the bits of a batch's NumPy arrays as int32, in the order of ``Batch.arrays``.

    Every array must have four bytes per element, which is not checked. The dtypes are not kept: ``unflatten``
    knows them.
    """
    arrays = [np.asarray(array) for array in batch.arrays]
    values = np.concatenate([array.reshape(-1).view(np.int32) for array in arrays])
    return FlatBatch(values, tuple(array.shape for array in arrays))


def unflatten(flat: FlatBatch) -> Batch:
    """Invert ``flatten``; also under ``jit``."""
    arrays, start = [], 0
    for shape in flat.shapes:
        arrays.append(flat.values[start : start + prod(shape)].reshape(shape))
        start += prod(shape)
    batch = Batch.from_arrays(arrays)
    dropout_ids = arrays[len(batch.words) + 1].view(np.uint32)
    return batch._replace(sentences=batch.sentences._replace(dropout_ids=dropout_ids))
