"""The result of both forward-backward recursions: log Z, marginals and expected transitions of a batch."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

# Limits of the product over all words at once, by its copies of the weights (floats) and by sentences.
_MOST_COPIED = 1 << 20
_MANY_SENTENCES = 128


class ExpectedTransitions(NamedTuple):
    """Expected transition counts of each sentence, (t, t): E * sum_i outer(left_i, right_i) + rest.

    They stay factored because their weighted sum over a batch then takes one matrix product a word.
    ``scaled`` uses the factors. ``logspace`` sets them to 0 and uses ``rest``: its factors would leave the
    float range.
    """

    E: Array  # (t, t)
    left: Array  # (n, t, B), of the word that a transition leaves; (0, t, B) if not computed
    right: Array  # as left, of the word that it reaches
    rest: Array  # (B, t, t)

    def dot(self, scores: Array) -> Array:
        """Return the expected sum of scores (t, t), [from, to], over each sentence's transitions, (B,).

        Scores must be finite: ``-inf`` times an expectation of 0 is NaN.
        """
        rest = jnp.matmul(self.rest.reshape(-1, scores.size), scores.reshape(-1), precision="highest")
        # Only the CPU runs ``scaled``, so the factors are 0 elsewhere.
        nothing = lambda scores: jnp.zeros_like(rest)
        return rest + jax.lax.platform_dependent(scores, cpu=self._dot_of_factors, default=nothing)

    def _dot_of_factors(self, scores: Array) -> Array:
        """Return the part of ``dot`` that comes from E, ``left`` and ``right``: scores (t, t) -> (B,)."""
        weighted = self.E * scores
        n, t, B = self.left.shape
        if B < _MANY_SENTENCES and n * t * t <= _MOST_COPIED:
            # With a copy of the weights for each word, the gradient with respect to scores is a batch of
            # products, one a word. Without copies it is one product over all words, several times slower.
            copies = jnp.broadcast_to(weighted.T, (n, t, t))
            reached = jnp.einsum("nji,nib->njb", copies, self.left, precision="highest")
            return jnp.sum(reached * self.right, (0, 1))

        def step(total, word):
            left, right = word
            reached = jnp.matmul(weighted.T, left, precision="highest")
            return total + jnp.sum(reached * right, 0), None

        return jax.lax.scan(step, jnp.zeros_like(self.left, shape=(B,)), (self.left, self.right))[0]


class Posterior(NamedTuple):
    """Sums over all tag sequences of B sentences."""

    log_partition: Array  # (B,) nats
    marginals: Array  # (n, t, B) probabilities; 0 beyond the length
    transitions: ExpectedTransitions  # zeros if not requested
