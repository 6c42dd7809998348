"""Masks from lengths, and dropout that does not depend on padding."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["dropout", "length_mask", "random_bytes"]


def length_mask(length: jax.Array | np.ndarray, size: int) -> jax.Array:
    """True for the first ``length`` of ``size`` places: (...) int32 -> (..., size) bool."""
    return jnp.arange(size) < length[..., None]


def random_bytes(
    key: jax.Array, dropout_ids: jax.Array | np.ndarray, sizes: Sequence[int]
) -> list[jax.Array]:
    """8 random bits for each unit of packed words, (P, size) uint8 for each of the sizes.

    What is drawn for a word depends on the key, its id (``PackedSentences.dropout_ids``) and the sizes alone: not on how
    a batch is padded and packed. All is drawn at once, since each draw takes its time to compile.
    """
    words = [-(-size // 4) for size in sizes]  # of 32 bits, which cost as much as 8 would
    keys = jax.vmap(partial(jax.random.fold_in, key))(dropout_ids)
    drawn = jax.vmap(lambda own: jax.random.bits(own, (sum(words),), "uint32"))(keys)
    parts = jnp.split(drawn, np.cumsum(words)[:-1], -1)
    own = [jax.lax.bitcast_convert_type(part, jnp.uint8).reshape(dropout_ids.shape[0], -1) for part in parts]
    return [part[:, :size] for part, size in zip(own, sizes, strict=True)]


def dropout(x: jax.Array, rate: float, drawn: jax.Array | None) -> jax.Array:
    """Inverted dropout (Srivastava et al. 2014) of (P, d) by ``random_bytes``; the identity without them.

    A unit is kept by 8 random bits, so the rate is rounded to 1/256, and scaled by just that.
    """
    kept = max(1, round((1.0 - rate) * 256))
    if drawn is None or kept == 256:
        return x
    return jnp.where(drawn < kept, x * (256.0 / kept), 0.0)
