"""What the ways of summing over tag sequences share."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

__all__ = ["Moves", "Posterior", "batch_last", "time_first"]

_MOST_COPIED = 1 << 20  # floats
_MANY_SENTENCES = 128


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
        rest = jnp.matmul(self.rest.reshape(-1, scores.size), scores.reshape(-1), precision="highest")
        # ``logspace`` has no factors, and on other devices there is nothing else.
        nothing = lambda scores: jnp.zeros_like(rest)
        return rest + jax.lax.platform_dependent(scores, cpu=self._dot_of_factors, default=nothing)

    def _dot_of_factors(self, scores: jax.Array) -> jax.Array:
        weighted = self.E * scores
        n, t, B = self.left.shape
        if B < _MANY_SENTENCES and n * t * t <= _MOST_COPIED:
            # The gradient by the scores is then a batch of products, one a word; without copies it would be
            # one over all words, several times slower.
            copies = jnp.broadcast_to(weighted.T, (n, t, t))
            reached = jnp.einsum("nji,nib->njb", copies, self.left, precision="highest")
            return jnp.sum(reached * self.right, (0, 1))

        def step(total, now):
            left, right = now
            reached = jnp.matmul(weighted.T, left, precision="highest")
            return total + jnp.sum(reached * right, 0), None

        none = jnp.zeros_like(self.left, shape=(B,))
        return jax.lax.scan(step, none, (self.left, self.right))[0]


class Posterior(NamedTuple):
    """Sums over all tag sequences of B sentences."""

    log_partition: jax.Array  # (B,) nats
    marginals: jax.Array  # (n, t, B) probabilities; 0 beyond the length
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
