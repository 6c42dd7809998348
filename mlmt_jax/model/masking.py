"""Masks from lengths, and dropout. The one place where padding is decided."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["dropout", "length_mask"]


def length_mask(length: jax.Array | np.ndarray, size: int) -> jax.Array:
    """True for the first ``length`` of ``size`` places: (...) int32 -> (..., size) bool."""
    return jnp.arange(size) < length[..., None]


def dropout(x: jax.Array, rate: float, key: jax.Array | None) -> jax.Array:
    """Inverted dropout (Srivastava et al. 2014) of (B, n, d); the identity without a key or at rate 0.

    What is dropped at a place depends on the key, the sentence's index and the place alone: not on how
    many sentences or words a batch is padded to. A unit is kept by 8 random bits, so the rate is rounded
    to 1/256, and scaled by just that.
    """
    if key is None or rate == 0.0:
        return x
    kept = max(1, round((1.0 - rate) * 256))
    if kept == 256:
        return x
    B, n, d = x.shape
    keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(B))
    # Four units a random word: an 8-bit number would cost as much as a 32-bit one.
    drawn = jax.vmap(lambda own: jax.random.bits(own, (n, -(-d // 4)), "uint32"))(keys)
    drawn = jax.lax.bitcast_convert_type(drawn, jnp.uint8).reshape(B, n, -1)[..., :d]
    return jnp.where(drawn < kept, x * (256.0 / kept), 0.0)
