"""Sums over all tag sequences: the partition function, scores, likelihoods and marginals.

The maths is written for one sentence, in log space, and vmapped over leading axes.
A step whose every path is forbidden gives ``-inf`` and a gradient of zero, never NaN.
"""

import jax
import jax.numpy as jnp

from mlmt_jax.crf.batching import over_sentences
from mlmt_jax.crf.chain import Chain

__all__ = ["log_likelihood", "log_partition", "marginals", "score"]


def log_partition(emissions, chain: Chain, lengths) -> jax.Array:
    """log Z, the log-sum-exp of the scores of all tag sequences (Lafferty et al. 2001).

    Args:
        emissions: (..., n, t) float, nats.
        chain: transitions (t, t), start (t,), end (t,), nats; ``-inf`` forbids.
        lengths: (...) int32; what lies beyond a sentence's length never matters.

    Returns:
        (...) nats; 0 for a sentence of length 0, ``-inf`` where no sequence is allowed.
    """
    return over_sentences(_log_partition, emissions, chain, lengths)


def score(emissions, tags, chain: Chain, lengths) -> jax.Array:
    """Score of one tag sequence: start, emissions, transitions and end summed.

    Args:
        emissions: (..., n, t) float, nats.
        tags: (..., n) int32, each in [0, t) within the length.
        chain: transitions (t, t), start (t,), end (t,), nats.
        lengths: (...) int32.

    Returns:
        (...) nats; 0 for a sentence of length 0.
    """
    return over_sentences(_score, emissions, chain, lengths, tags)


def log_likelihood(emissions, tags, chain: Chain, lengths) -> jax.Array:
    """log P(tags | emissions) = score - log Z. Arguments as in ``score``.

    Returns:
        (...) nats per sentence; 0 for length 0, ``-inf`` (and a gradient of zero) for forbidden tags.
    """
    return over_sentences(_log_likelihood, emissions, chain, lengths, tags)


def marginals(emissions, chain: Chain, lengths) -> jax.Array:
    """P(tag at each word), the gradient of log Z with respect to the emissions.

    Returns:
        (..., n, t) probabilities; 0 beyond the length, and where no sequence is allowed.
    """
    return over_sentences(_marginals, emissions, chain, lengths)


def _logsumexp(x: jax.Array, axis: int) -> jax.Array:
    peak = jax.lax.stop_gradient(jnp.max(x, axis, keepdims=True))
    peak = jnp.where(jnp.isfinite(peak), peak, 0.0)
    total = jnp.sum(jnp.exp(x - peak), axis)
    # Where nothing is allowed the logarithm is kept away from 0, so that its gradient is 0, not NaN.
    nothing = total == 0
    log = jnp.where(nothing, -jnp.inf, jnp.log(jnp.where(nothing, 1.0, total)))
    return log + jnp.squeeze(peak, axis)


def _log_partition(emissions: jax.Array, chain: Chain, length: jax.Array) -> jax.Array:
    # Beyond the length anything may stand, NaN too, and must not reach the sums.
    inside = jnp.arange(emissions.shape[0]) < length
    emissions = jnp.where(inside[:, None], emissions, 0.0)

    def step(alpha, now):  # alpha (t,)
        emission, live = now
        reached = _logsumexp(alpha[:, None] + chain.transitions, 0) + emission  # (t, t) -> (t,)
        return jnp.where(live, reached, alpha), None

    last, _ = jax.lax.scan(step, emissions[0] + chain.start, (emissions[1:], inside[1:]))
    return jnp.where(length > 0, _logsumexp(last + chain.end, 0), 0.0)


_marginals = jax.grad(_log_partition)


def _score(emissions: jax.Array, chain: Chain, length: jax.Array, tags: jax.Array) -> jax.Array:
    word = jnp.arange(emissions.shape[0])
    tags = jnp.where(word < length, tags, 0)
    local = jnp.take_along_axis(emissions, tags[:, None], 1)[:, 0]  # (n,)
    moves = chain.transitions[tags[:-1], tags[1:]]  # (n - 1,)
    total = jnp.sum(jnp.where(word < length, local, 0.0))
    total += jnp.sum(jnp.where(word[1:] < length, moves, 0.0))
    edges = chain.start[tags[0]] + chain.end[tags[jnp.maximum(length - 1, 0)]]
    return jnp.where(length > 0, total + edges, 0.0)


def _log_likelihood(emissions: jax.Array, chain: Chain, length: jax.Array, tags: jax.Array) -> jax.Array:
    gold = _score(emissions, chain, length, tags)
    log_z = _log_partition(emissions, chain, length)
    # Where no sequence is allowed both are -inf, and their difference would be NaN.
    return jnp.where(jnp.isneginf(gold), -jnp.inf, gold - log_z)
