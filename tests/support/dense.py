"""Batches of a few sentences, and what they hold with every occurrence of a word spelled out."""

from collections.abc import Sequence

import numpy as np

from mlmt_jax.batches.packing import Encoded, assemble, collect
from mlmt_jax.batches.shapes import Shape
from mlmt_jax.types import Batch


def batch_of(sentences: Sequence[Encoded], rows: int, n: int, more: int = 0) -> Batch:
    """A batch of so many sentences of n places, with ``more`` room than it needs for all else."""
    contents = collect(sentences)
    _, *sizes = contents.needs(rows).shape()
    return assemble(contents, rows, Shape(n, *(max(size + more, 1) for size in sizes)))


def words_of(batch: Batch) -> np.ndarray:
    """Rows of the word table, (B, n); 0 beyond the lengths."""
    return _placed(batch, np.asarray(batch.rows)[np.asarray(batch.words)])


def chars_of(batch: Batch) -> np.ndarray:
    """Rows of the character table, (B, n, c), c that of the longest word; 0 beyond the lengths."""
    chars, ends = np.asarray(batch.chars), np.asarray(batch.ends)
    words = [chars[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    dense = np.zeros((len(words), max((len(word) for word in words), default=0)), np.int32)
    for own, word in zip(dense, words, strict=True):
        own[: len(word)] = word
    return _placed(batch, dense)


def _placed(batch: Batch, values: np.ndarray) -> np.ndarray:
    position = np.asarray(batch.position)
    there = position < len(batch.tokens)
    found = values[np.asarray(batch.tokens)[np.where(there, position, 0)]]
    return np.where(there.reshape(*there.shape, *[1] * (found.ndim - 2)), found, 0)
