"""Sums over all tag sequences: partition function, scores, likelihoods, marginals, entropy.

Public functions take any leading axes; the recursions are in ``scaled`` and ``logspace``.
"""

import jax
import jax.numpy as jnp

from mlmt_jax.crf import logspace
from mlmt_jax.crf import posterior as posteriors
from mlmt_jax.crf.chain import Chain
from mlmt_jax.crf.leading_axes import over_batch
from mlmt_jax.crf.messages import time_first

__all__ = [
    "entropy",
    "log_likelihood",
    "log_partition",
    "marginals",
    "pair_marginals",
    "score",
    "span_log_probability",
]


def log_partition(emissions, chain: Chain, lengths) -> jax.Array:
    """Log Z, the log-sum-exp of the scores of all tag sequences (Lafferty et al. 2001).

    Args:
        emissions: (..., n, t) float, nats.
        chain: transitions (t, t), start (t,), end (t,), nats; ``-inf`` forbids.
        lengths: (...) int32; what lies beyond a sentence's length never matters.

    Returns:
        (...) nats; 0 for a sentence of length 0, ``-inf`` (and a gradient of zero) where no sequence is
        allowed. float32, or float64 where an argument is.
    """
    return over_batch(posteriors.log_partition, emissions, chain, lengths)


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
    return over_batch(_score, emissions, chain, lengths, tags=tags)


def log_likelihood(emissions, tags, chain: Chain, lengths) -> jax.Array:
    """Log P(tags | emissions) = score - log Z. Arguments as in ``score``.

    Returns:
        (...) nats per sentence; 0 for length 0, ``-inf`` (and a gradient of zero) for forbidden tags.
    """
    return over_batch(_log_likelihood, emissions, chain, lengths, tags=tags)


def marginals(emissions, chain: Chain, lengths) -> jax.Array:
    """P(tag at each word), the gradient of log Z with respect to the emissions.

    Returns:
        (..., n, t) probabilities; 0 beyond the length, and where no sequence is allowed.
    """
    return over_batch(_marginals, emissions, chain, lengths)


def pair_marginals(emissions, chain: Chain, lengths) -> jax.Array:
    """P(tags of each word and the next).

    Returns:
        (..., n - 1, t, t) probabilities, [i, from, to]; 0 beyond the length.
    """
    return over_batch(_pair_marginals, emissions, chain, lengths)


def entropy(emissions, chain: Chain, lengths) -> jax.Array:
    """The entropy of the distribution over tag sequences, by Hernando et al.'s recursion (2005).

    Returns:
        (...) nats; 0 for length 0 and where no sequence is allowed.
    """
    return over_batch(_entropy, emissions, chain, lengths)


def span_log_probability(emissions, chain: Chain, lengths, allowed) -> jax.Array:
    """Log P(every word's tag is an allowed one): of a span, say (Culotta & McCallum 2004).

    Args:
        emissions, chain, lengths: as in ``log_partition``.
        allowed: (..., n, t) bool; what lies beyond the length does not matter.

    Returns:
        (...) nats; 0 for length 0, ``-inf`` where no sequence is allowed.
    """
    return over_batch(_span_log_probability, emissions, chain, lengths, allowed=allowed)


def _score(emissions: jax.Array, chain: Chain, lengths: jax.Array, tags: jax.Array) -> jax.Array:
    word = jnp.arange(emissions.shape[1])
    inside = word[None] < lengths[:, None]  # (B, n)
    tags = jnp.where(inside, tags, 0)
    local = _chosen(emissions, tags)
    moves = chain.transitions[tags[:, :-1], tags[:, 1:]]  # (B, n - 1)
    total = jnp.sum(jnp.where(inside, local, 0.0), 1) + jnp.sum(jnp.where(inside[:, 1:], moves, 0.0), 1)
    last = jnp.take_along_axis(tags, jnp.maximum(lengths - 1, 0)[:, None], 1)[:, 0]
    return jnp.where(lengths > 0, total + chain.start[tags[:, 0]] + chain.end[last], 0.0)


@jax.custom_jvp
def _chosen(emissions: jax.Array, tags: jax.Array) -> jax.Array:
    """The emission of each word's tag, (B, n, t), (B, n) -> (B, n)."""
    return jnp.take_along_axis(emissions, tags[..., None], 2)[..., 0]


@_chosen.defjvp
def _(primals, tangents):
    emissions, tags = primals
    # Its transpose is a mask that joins the sum of all gradients, where a gather's would scatter.
    own = tags[..., None] == jnp.arange(emissions.shape[-1])[None, None]
    return _chosen(emissions, tags), jnp.sum(jnp.where(own, tangents[0], 0.0), -1)


def _log_likelihood(emissions: jax.Array, chain: Chain, lengths: jax.Array, tags: jax.Array) -> jax.Array:
    gold = _score(emissions, chain, lengths, tags)
    log_z = posteriors.log_partition(emissions, chain, lengths)
    # -inf less -inf is no number.
    return jnp.where(jnp.isneginf(gold), -jnp.inf, gold - log_z)


def _marginals(emissions: jax.Array, chain: Chain, lengths: jax.Array) -> jax.Array:
    return jnp.transpose(posteriors.posterior(emissions, chain, lengths, False).marginals, (2, 0, 1))


def _pair_marginals(emissions: jax.Array, chain: Chain, lengths: jax.Array) -> jax.Array:
    emissions, inside = time_first(emissions, lengths)
    alpha, _ = logspace.forward(emissions, chain, inside)
    right = emissions + logspace.backward(emissions, chain, inside)
    scores = alpha[:-1, ..., None] + chain.transitions[None, None] + right[1:, :, None, :]
    pairs = logspace.softmax(scores, (-2, -1))
    return jnp.moveaxis(jnp.where(inside[1:, ..., None], pairs, 0.0), 0, 1)


def _entropy(emissions: jax.Array, chain: Chain, lengths: jax.Array) -> jax.Array:
    emissions, inside = time_first(emissions, lengths)

    def surprise(scores: jax.Array, ahead: jax.Array) -> jax.Array:
        """The entropy of one choice over the last axis, and the mean of what lies ahead of it."""
        p = logspace.softmax(scores, -1)
        own = -p * jnp.log(jnp.where(p > 0, p, 1.0))
        return jnp.sum(own + p * ahead, -1)

    def step(state, now):
        beta, ahead = state  # (B, t) each: log beta, and the entropy of the tags behind each tag
        emission, live = now
        scores = chain.transitions[None] + (emission + beta)[:, None, :]  # (B, from, to)
        left, _ = logspace.relative(logspace.logsumexp(scores, -1))
        state = jnp.where(live, left, beta), jnp.where(live, surprise(scores, ahead[:, None]), ahead)
        return state, None

    final, _ = logspace.relative(jnp.broadcast_to(chain.end, emissions.shape[1:]))
    words = (emissions[1:], inside[1:])
    (beta, ahead), _ = jax.lax.scan(step, (final, jnp.zeros_like(final)), words, reverse=True)
    return jnp.where(lengths > 0, surprise(chain.start[None] + emissions[0] + beta, ahead), 0.0)


def _span_log_probability(
    emissions: jax.Array, chain: Chain, lengths: jax.Array, allowed: jax.Array
) -> jax.Array:
    within = posteriors.log_partition(jnp.where(allowed, emissions, -jnp.inf), chain, lengths)
    log_z = posteriors.log_partition(emissions, chain, lengths)
    return jnp.where(jnp.isneginf(within), -jnp.inf, jnp.minimum(within - log_z, 0.0))
