"""What the ways of summing over tag sequences share. Time comes first inside: (n, B, t)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

__all__ = ["Posterior", "time_first"]


class Posterior(NamedTuple):
    """Sums over all tag sequences of B sentences."""

    log_partition: jax.Array  # (B,) nats
    marginals: jax.Array  # (B, n, t) probabilities; 0 beyond the length
    moves: jax.Array  # (B, t, t) expected transitions [from, to]; (B, 0, 0) where not asked for


def time_first(emissions: jax.Array, lengths: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Emissions (n, B, t) with 0 beyond the lengths, and the mask (n, B, 1) of what lies within.

    Beyond the length anything may stand, NaN too, and must not reach the sums.
    """
    inside = (jnp.arange(emissions.shape[1])[:, None] < lengths[None])[..., None]
    return jnp.where(inside, jnp.moveaxis(emissions, 1, 0), 0.0), inside
