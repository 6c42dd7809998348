"""A batch as one array: to hand an array over, to a process or a device, takes longer than what is in it."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from mlmt_jax.types import Batch

__all__ = ["Packed", "pack", "unpack"]


@dataclass(frozen=True)
class Packed:
    """The fields of a batch end to end."""

    values: Any  # (L,) int32, an array of NumPy or JAX
    shapes: tuple[tuple[int, ...], ...]  # of each field


def pack(batch: Batch) -> Packed:
    """A batch of NumPy arrays as one."""
    fields = [np.asarray(own) for own in batch]
    assert all(own.dtype.itemsize == 4 for own in fields)
    values = np.concatenate([own.reshape(-1).view(np.int32) for own in fields])
    return Packed(values, tuple(own.shape for own in fields))


def unpack(packed: Packed) -> Batch:
    """The inverse of ``pack``."""
    fields, first = {}, 0
    for name, shape in zip(Batch._fields, packed.shapes, strict=True):
        own = packed.values[first : first + prod(shape)].reshape(shape)
        fields[name] = own.view(np.uint32) if name == "places" else own
        first += prod(shape)
    return Batch(**fields)
