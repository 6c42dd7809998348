"""One tag sequence, move by move: exact probabilities of it, and of any stretch of it."""

import jax
import jax.numpy as jnp

from mlmt_jax.crf import logspace
from mlmt_jax.crf.chain import Chain
from mlmt_jax.crf.leading_axes import over_batch
from mlmt_jax.crf.messages import time_first

__all__ = ["path_log_probabilities"]


def path_log_probabilities(emissions, tags, chain: Chain, lengths) -> jax.Array:
    """Log P(tag of each word | tag of the word before, emissions) along one tag sequence.

    A linear chain given its emissions is a Markov chain, so log P(tags i to j) is log P(tag i), a marginal,
    plus the sum of these from i + 1 to j. The sum over all words is ``log_likelihood``, and remains accurate
    where that one is the small difference of two large numbers, in long sentences.

    Args:
        emissions: (..., n, t) float, nats.
        tags: (..., n) int32, each in [0, t) within the length.
        chain: transitions (t, t), start (t,), end (t,), nats; ``-inf`` forbids.
        lengths: (...) int32.

    Returns:
        (..., n) nats; of the first word log P(tag); 0 beyond the length, ``-inf`` where the tag is
        forbidden behind the one before it.
    """
    return over_batch(_path_log_probabilities, emissions, chain, lengths, tags=tags)


def _path_log_probabilities(
    emissions: jax.Array, chain: Chain, lengths: jax.Array, tags: jax.Array
) -> jax.Array:
    emissions, inside = time_first(emissions, lengths)

    def step(beta, now):
        emission, live = now  # of the word behind
        ahead = emission + beta  # (B, to)
        total = logspace.logsumexp(chain.transitions[None] + ahead[:, None], -1)  # (B, from)
        return jnp.where(live, logspace.relative(total)[0], beta), (ahead, total)

    final, _ = logspace.relative(jnp.broadcast_to(chain.end, emissions.shape[1:]))
    words = (emissions[1:], inside[1:])
    beta, (ahead, totals) = jax.lax.scan(step, final, words, reverse=True)
    inside = inside[..., 0]
    tags = jnp.where(inside, tags.T, 0)  # (n, B)
    along = lambda scores, tags: jnp.take_along_axis(scores, tags[..., None], -1)[..., 0]
    first = chain.start[None] + emissions[0] + beta
    own = along(first, tags[0]), chain.transitions[tags[:-1], tags[1:]] + along(ahead, tags[1:])
    of_all = logspace.logsumexp(first, -1), along(totals, tags[:-1])
    own, of_all = (jnp.concatenate([head[None], rest]) for head, rest in (own, of_all))
    # -inf less -inf is no number.
    steps = jnp.where(jnp.isneginf(own), -jnp.inf, jnp.minimum(own - of_all, 0.0))
    return jnp.where(inside, steps, 0.0).T
