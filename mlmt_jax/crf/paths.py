"""One tag sequence, word by word: exact log probabilities of it and of any part of it."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mlmt_jax.crf import logspace
from mlmt_jax.crf.axes import Sentences, over_batch, time_first
from mlmt_jax.crf.chain import Chain


def path_log_probabilities(emissions: ArrayLike, tags: ArrayLike, chain: Chain, lengths: ArrayLike) -> Array:
    """Compute log P(tag of a word | tag of the word before, emissions) for each word of one tag sequence.

        log P(tags i to j) = log P(tag i) + sum of the results from word i + 1 to word j

    because a linear chain is a Markov chain given its emissions; P(tag i) is a marginal. The sum over all
    words is ``log_likelihood``. It stays accurate in long sentences, where ``log_likelihood`` is the small
    difference of two large numbers.

    Args:
        emissions: (..., n, t) float, nats, n and t at least 1.
        tags: (..., n) integer, in [0, t) within the length, not checked; never used beyond it.
        chain: transitions (t, t), [from, to], start (t,) and end (t,) in nats, ``-inf`` for what is
            forbidden.
        lengths: (...) integer, words per sentence, in [0, n]; not checked.

    Returns:
        (..., n) nats, at most 0; log P(tag) for the first word, 0 beyond the length, and ``-inf`` if the tag
        cannot follow the tag before it or no sequence is allowed.

    Raises:
        ValueError: if shapes do not fit each other, or n or t is 0.
        TypeError: if scores are not floating point, or tags or lengths are not integers.
    """
    return over_batch(_path_log_probabilities, Sentences(emissions, chain, lengths, tags=tags))


def _path_log_probabilities(emissions: Array, chain: Chain, lengths: Array, tags: Array) -> Array:
    """Compute ``path_log_probabilities`` of a batch: (B, n, t), chain, (B,), (B, n) int32 -> (B, n) nats."""
    emissions, inside = time_first(emissions, lengths)

    def step(beta, next_word):
        emission, live = next_word
        scores = emission + beta  # (B, to)
        total = logspace.logsumexp(chain.transitions[None] + scores[:, None], -1)  # (B, from)
        return jnp.where(live, logspace.relative(total)[0], beta), (scores, total)

    final, _ = logspace.relative(jnp.broadcast_to(chain.end, emissions.shape[1:]))
    words = (emissions[1:], inside[1:])
    beta, (scores, totals) = jax.lax.scan(step, final, words, reverse=True)
    inside = inside[..., 0]
    tags = jnp.where(inside, tags.T, 0)  # (n, B)
    gather = lambda scores, tags: jnp.take_along_axis(scores, tags[..., None], -1)[..., 0]
    first = chain.start[None] + emissions[0] + beta
    chosen = gather(first, tags[0]), chain.transitions[tags[:-1], tags[1:]] + gather(scores, tags[1:])
    every = logspace.logsumexp(first, -1), gather(totals, tags[:-1])
    chosen, every = (jnp.concatenate([head[None], rest]) for head, rest in (chosen, every))
    # If both are -inf, the difference would be NaN.
    steps = jnp.where(jnp.isneginf(chosen), -jnp.inf, jnp.minimum(chosen - every, 0.0))
    return jnp.where(inside, steps, 0.0).T
