"""Sums over all tag sequences: log Z, scores, likelihoods, marginals, entropy.

Public functions take any leading axes. The forward-backward recursions are in ``scaled`` and ``logspace``.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mlmt_jax.crf import logspace
from mlmt_jax.crf import posterior as posteriors
from mlmt_jax.crf.axes import Sentences, over_batch, time_first
from mlmt_jax.crf.chain import Chain


def log_partition(emissions: ArrayLike, chain: Chain, lengths: ArrayLike) -> Array:
    """Compute log Z = log sum over y of exp(score(y)), over all tag sequences y (Lafferty et al. 2001).

    Args:
        emissions: (..., n, t) float, nats, n and t at least 1.
        chain: transitions (t, t), [from, to], start (t,), end (t,), nats; ``-inf`` forbids.
        lengths: (...) integer, in [0, n], not checked; emissions beyond a length never affect the result.

    Returns:
        (...) nats per sentence, float32, or float64 if an argument is. 0 for length 0. If no sequence is
        allowed, ``-inf`` with a gradient of 0.

    Raises:
        ValueError: if shapes do not fit each other, or n or t is 0.
        TypeError: if scores are not floating point or lengths are not integers.
    """
    return over_batch(posteriors.log_partition, Sentences(emissions, chain, lengths))


def score(emissions: ArrayLike, tags: ArrayLike, chain: Chain, lengths: ArrayLike) -> Array:
    """Compute the score of one tag sequence: start + emissions + transitions + end. It is not normalized.

    Args:
        emissions: (..., n, t) float, nats, n and t at least 1.
        tags: (..., n) integer, in [0, t) within the length, not checked; never used beyond it.
        chain: transitions (t, t), [from, to], start (t,), end (t,), nats.
        lengths: (...) integer, in [0, n]; not checked.

    Returns:
        (...) nats per sentence; 0 for length 0, ``-inf`` if the chain forbids the sequence.

    Raises:
        ValueError: if shapes do not fit each other, or n or t is 0.
        TypeError: if scores are not floating point, or tags or lengths are not integers.
    """
    return over_batch(_score, Sentences(emissions, chain, lengths, tags=tags))


def log_likelihood(emissions: ArrayLike, tags: ArrayLike, chain: Chain, lengths: ArrayLike) -> Array:
    """Compute log P(tags | emissions) = score(tags) - log Z (Lafferty et al. 2001).

    Args:
        emissions: (..., n, t) float, nats, n and t at least 1.
        tags: (..., n) integer, in [0, t) within the length, not checked; never used beyond it.
        chain: transitions (t, t), [from, to], start (t,), end (t,), nats; ``-inf`` forbids.
        lengths: (...) integer, in [0, n]; not checked.

    Returns:
        (...) nats per sentence, a sum over its words and not a mean; 0 for length 0. If the tags are
        forbidden, ``-inf`` with a gradient of 0.

    Raises:
        ValueError: if shapes do not fit each other, or n or t is 0.
        TypeError: if scores are not floating point, or tags or lengths are not integers.
    """
    return over_batch(_log_likelihood, Sentences(emissions, chain, lengths, tags=tags))


def marginals(emissions: ArrayLike, chain: Chain, lengths: ArrayLike) -> Array:
    """Compute P(tag at each word | emissions), the gradient of log Z with respect to the emissions.

    Args:
        emissions: (..., n, t) float, nats, n and t at least 1.
        chain: transitions (t, t), [from, to], start (t,), end (t,), nats; ``-inf`` forbids.
        lengths: (...) integer, in [0, n]; not checked.

    Returns:
        (..., n, t) probabilities, not logarithms; 0 beyond the length, and everywhere if no sequence is
        allowed.

    Raises:
        ValueError: if shapes do not fit each other, or n or t is 0.
        TypeError: if scores are not floating point or lengths are not integers.
    """
    return over_batch(_marginals, Sentences(emissions, chain, lengths))


def pair_marginals(emissions: ArrayLike, chain: Chain, lengths: ArrayLike) -> Array:
    """Compute P(tag of a word, tag of the next word | emissions) for all neighbouring words.

    Args:
        emissions: (..., n, t) float, nats, n and t at least 1.
        chain: transitions (t, t), [from, to], start (t,), end (t,), nats; ``-inf`` forbids.
        lengths: (...) integer, in [0, n]; not checked.

    Returns:
        (..., n - 1, t, t) probabilities, [word, from, to]; 0 if the next word is beyond the length, and
        everywhere if no sequence is allowed.

    Raises:
        ValueError: if shapes do not fit each other, or n or t is 0.
        TypeError: if scores are not floating point or lengths are not integers.
    """
    return over_batch(_pair_marginals, Sentences(emissions, chain, lengths))


def entropy(emissions: ArrayLike, chain: Chain, lengths: ArrayLike) -> Array:
    """Compute the entropy of P(tags | emissions), by the recursion of Hernando et al. (2005).

    Args:
        emissions: (..., n, t) float, nats, n and t at least 1.
        chain: transitions (t, t), [from, to], start (t,), end (t,), nats; ``-inf`` forbids.
        lengths: (...) integer, in [0, n]; not checked.

    Returns:
        (...) nats per sentence, of its whole tag sequence; 0 for length 0 and if no sequence is allowed.

    Raises:
        ValueError: if shapes do not fit each other, or n or t is 0.
        TypeError: if scores are not floating point or lengths are not integers.
    """
    return over_batch(_entropy, Sentences(emissions, chain, lengths))


def span_log_probability(emissions: ArrayLike, chain: Chain, lengths: ArrayLike, allowed: ArrayLike) -> Array:
    """Compute log P(every word has an allowed tag), for example of a span (Culotta & McCallum 2004).

    Args:
        emissions: (..., n, t) float, nats, n and t at least 1.
        chain: transitions (t, t), [from, to], start (t,), end (t,), nats; ``-inf`` forbids.
        lengths: (...) integer, in [0, n]; not checked.
        allowed: (..., n, t) bool, True for each tag that a word may have; all True for words that may have
            any. Entries beyond a length never affect the result.

    Returns:
        (...) nats per sentence, at most 0; 0 for length 0, ``-inf`` if no sequence is allowed.

    Raises:
        ValueError: if shapes do not fit each other, or n or t is 0.
        TypeError: if scores are not floating point, lengths not integers, or ``allowed`` not bool.
    """
    return over_batch(_span_log_probability, Sentences(emissions, chain, lengths, allowed=allowed))


def _score(emissions: Array, chain: Chain, lengths: Array, tags: Array) -> Array:
    """Compute ``score`` of a batch: (B, n, t), chain, (B,), (B, n) int32 -> (B,)."""
    word = jnp.arange(emissions.shape[1])
    inside = word[None] < lengths[:, None]  # (B, n)
    tags = jnp.where(inside, tags, 0)
    local = _tag_emissions(emissions, tags)
    moves = chain.transitions[tags[:, :-1], tags[:, 1:]]  # (B, n - 1)
    total = jnp.sum(jnp.where(inside, local, 0.0), 1) + jnp.sum(jnp.where(inside[:, 1:], moves, 0.0), 1)
    last = jnp.take_along_axis(tags, jnp.maximum(lengths - 1, 0)[:, None], 1)[:, 0]
    return jnp.where(lengths > 0, total + chain.start[tags[:, 0]] + chain.end[last], 0.0)


@jax.custom_jvp
def _tag_emissions(emissions: Array, tags: Array) -> Array:
    """Gather the emission of each word's tag: (B, n, t), (B, n) -> (B, n)."""
    return jnp.take_along_axis(emissions, tags[..., None], 2)[..., 0]


@_tag_emissions.defjvp
def _(primals, tangents):
    """Compute ``_tag_emissions`` and its tangent (B, n); tags have no tangent."""
    emissions, tags = primals
    # The transpose of this sum is a mask, which XLA fuses into the sum of all gradients. A gather's transpose
    # is a scatter.
    is_tag = tags[..., None] == jnp.arange(emissions.shape[-1])[None, None]
    return _tag_emissions(emissions, tags), jnp.sum(jnp.where(is_tag, tangents[0], 0.0), -1)


def _log_likelihood(emissions: Array, chain: Chain, lengths: Array, tags: Array) -> Array:
    """Compute ``log_likelihood`` of a batch: (B, n, t), chain, (B,), (B, n) int32 -> (B,)."""
    gold = _score(emissions, chain, lengths, tags)
    log_z = posteriors.log_partition(emissions, chain, lengths)
    # If log Z is -inf too, the difference would be NaN.
    return jnp.where(jnp.isneginf(gold), -jnp.inf, gold - log_z)


def _marginals(emissions: Array, chain: Chain, lengths: Array) -> Array:
    """Compute ``marginals`` of a batch: (B, n, t), chain, (B,) -> (B, n, t)."""
    return jnp.transpose(posteriors.posterior(emissions, chain, lengths, False).marginals, (2, 0, 1))


def _pair_marginals(emissions: Array, chain: Chain, lengths: Array) -> Array:
    """Compute ``pair_marginals`` of a batch: (B, n, t), chain, (B,) -> (B, n - 1, t, t)."""
    emissions, inside = time_first(emissions, lengths)
    alpha, _ = logspace.forward(emissions, chain, inside)
    right = emissions + logspace.backward(emissions, chain, inside)
    pairs = jax.vmap(logspace.pair_probabilities, (None, 0, 0, 0))(chain, alpha[:-1], right[1:], inside[1:])
    return jnp.moveaxis(pairs, 0, 1)


def _entropy(emissions: Array, chain: Chain, lengths: Array) -> Array:
    """Compute ``entropy`` of a batch: (B, n, t), chain, (B,) -> (B,)."""
    emissions, inside = time_first(emissions, lengths)

    def choice_entropy(scores: Array, following: Array) -> Array:
        """Return the entropy of a choice over the last axis plus the mean entropy that follows it."""
        p = logspace.softmax(scores, -1)
        surprise = -p * jnp.log(jnp.where(p > 0, p, 1.0))
        return jnp.sum(surprise + p * following, -1)

    def step(state, next_word):
        beta, following = state  # (B, t) each: log beta, and the entropy of the tags that follow each tag
        emission, live = next_word
        scores = chain.transitions[None] + (emission + beta)[:, None, :]  # (B, from, to)
        reached, _ = logspace.relative(logspace.logsumexp(scores, -1))
        beta = jnp.where(live, reached, beta)
        return (beta, jnp.where(live, choice_entropy(scores, following[:, None]), following)), None

    final, _ = logspace.relative(jnp.broadcast_to(chain.end, emissions.shape[1:]))
    words = (emissions[1:], inside[1:])
    (beta, following), _ = jax.lax.scan(step, (final, jnp.zeros_like(final)), words, reverse=True)
    first = chain.start[None] + emissions[0] + beta
    return jnp.where(lengths > 0, choice_entropy(first, following), 0.0)


def _span_log_probability(emissions: Array, chain: Chain, lengths: Array, allowed: Array) -> Array:
    """Compute ``span_log_probability`` of a batch: (B, n, t), chain, (B,), (B, n, t) bool -> (B,)."""
    within = posteriors.log_partition(jnp.where(allowed, emissions, -jnp.inf), chain, lengths)
    log_z = posteriors.log_partition(emissions, chain, lengths)
    return jnp.where(jnp.isneginf(within), -jnp.inf, jnp.minimum(within - log_z, 0.0))
