"""A batch with every occurrence of a word spelled out."""

import numpy as np

from mlmt_jax.types import Batch


def words_of(batch: Batch) -> np.ndarray:
    """Rows of the word table, (B, n); 0 beyond the lengths."""
    rows = np.asarray(batch.rows)[np.asarray(batch.words)][np.asarray(batch.tokens)]
    return np.where(_inside(batch), rows, 0)


def chars_of(batch: Batch) -> np.ndarray:
    """Rows of the character table, (B, n, c); 0 beyond the lengths."""
    return np.where(_inside(batch)[..., None], np.asarray(batch.chars)[np.asarray(batch.tokens)], 0)


def _inside(batch: Batch) -> np.ndarray:
    return np.arange(np.shape(batch.tokens)[1]) < np.asarray(batch.lengths)[:, None]
