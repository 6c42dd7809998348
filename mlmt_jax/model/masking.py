"""Masks from lengths, and dropout. The one place where padding is decided."""

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["dropout", "length_mask"]


def length_mask(length: jax.Array | np.ndarray, size: int) -> jax.Array:
    """True for the first ``length`` of ``size`` places: (...) int32 -> (..., size) bool."""
    return jnp.arange(size) < length[..., None]


def dropout(x: jax.Array, rate: float, key: jax.Array | None) -> jax.Array:
    """Inverted dropout (Srivastava et al. 2014); the identity without a key or at rate 0.

    A unit is kept by 8 random bits, so the rate is rounded to 1/256, and scaled by just that.
    """
    if key is None or rate == 0.0:
        return x
    kept = max(1, round((1.0 - rate) * 256))
    keep = jax.random.bits(key, x.shape, "uint8") < kept if kept < 256 else jnp.ones(x.shape, bool)
    return jnp.where(keep, x * (256.0 / kept), 0.0)
