"""What the ways of summing over tag sequences share."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

__all__ = ["Moves", "Posterior", "batch_last", "time_first"]

_MOST_COPIED = 1 << 20  # floats


class Moves(NamedTuple):
    """Expected transitions of each sentence: E * sum_i outer(left_i, right_i) + rest, (t, t).

    In factors, since their sum over the sentences of a batch is then one product a word; where factors would
    not hold the numbers, all is in ``rest``.
    """

    E: jax.Array  # (t, t)
    left: jax.Array  # (n, t, B), of the moves out of each word; (0, t, B) where not asked for
    right: jax.Array  # as left
    rest: jax.Array  # (B, t, t)

    def dot(self, scores: jax.Array) -> jax.Array:
        """The expected sum of scores (t, t), [from, to], over each sentence's moves: (B,). Linear in them."""
        weighted = self.E * scores
        if len(self.left) * scores.size <= _MOST_COPIED:
            # The gradient by the scores is then a small product a word, twice as fast as one over all.
            copies = jnp.broadcast_to(weighted.T, (len(self.left), *scores.shape))
            reached = jnp.einsum("nji,nib->njb", copies, self.left, precision="highest")
        else:
            reached = jnp.einsum("nib,ij->njb", self.left, weighted, precision="highest")
        rest = jnp.matmul(self.rest.reshape(-1, scores.size), scores.reshape(-1), precision="highest")
        return jnp.sum(reached * self.right, (0, 1)) + rest


class Posterior(NamedTuple):
    """Sums over all tag sequences of B sentences."""

    log_partition: jax.Array  # (B,) nats
    marginals: jax.Array  # (B, n, t) probabilities; 0 beyond the length
    moves: Moves  # empty where not asked for


def time_first(emissions: jax.Array, lengths: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Emissions (n, B, t) with 0 beyond the lengths, and the mask (n, B, 1) of what lies within.

    Beyond the length anything may stand, NaN too, and must not reach the sums.
    """
    inside = (jnp.arange(emissions.shape[1])[:, None] < lengths[None])[..., None]
    return jnp.where(inside, jnp.moveaxis(emissions, 1, 0), 0.0), inside


def batch_last(emissions: jax.Array, lengths: jax.Array) -> tuple[jax.Array, jax.Array]:
    """As ``time_first``, with axes (n, t, B) and (n, 1, B): a CPU's vectors run over the batch."""
    inside = (jnp.arange(emissions.shape[1])[:, None] < lengths[None])[:, None]
    return jnp.where(inside, jnp.transpose(emissions, (1, 2, 0)), 0.0), inside
