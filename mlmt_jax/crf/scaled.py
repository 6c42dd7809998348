"""Forward and backward recursions as matrix products of scaled probabilities: fast, exact for most scores.

    a_i = (E' a_(i-1)) * x_i / s_i       s_i = sum(a_(i-1))
    c_i = (E c_(i+1)) * x_i / s_i        E = exp(transitions - max), x_i = exp(emissions_i - max)

(Rabiner 1989, section V.A, but here c includes the emission and the scale of its own word.) At the end, c is
divided by the sum over all sequences. Then P(tag) is a_i * (E c_(i+1)) and P(tag, next tag) is a_i * E *
c_(i+1). Rounding errors are normalized away at each word. If a_i is 0, c_i has no effect and is 0.

Underflow. The range of floating-point numbers is shared between the factors of a product: log t is reserved,
because a sum can reach t, and the rest is divided between a or c, E and x. So 0 always means "forbidden", and
every product within a step is a normal number. A number below its share is raised to it. This adds paths that
do not exist, and P(tag) at the raised number bounds their probability. If that matters, or if no backward
recursion can tell, the number becomes NaN. NaN reaches the last message of its sentence, so that message
tells if the result is exact. (A raised c never matters: the paths it adds are at most t times the limit of
the sum over all sequences.)

The batch is the last axis, because the vector instructions of a CPU run over it. Exponentials are taken
inside the recursions: one pass over all words costs more than taking them twice.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mlmt_jax.crf.axes import batch_last
from mlmt_jax.crf.chain import Chain
from mlmt_jax.crf.expectations import ExpectedTransitions, Posterior

# Shares of the float range (87 - log t nats in float32): of messages and of emissions, and of the chain.
_SHARE_OF_WORDS, _SHARE_OF_CHAIN = 0.40, 0.19

# Raised numbers may make up this probability in a whole sentence, which is divided between its n * t numbers.
_NEGLIGIBLE = 1e-6

# Up to this many tags (sums) and multiply-adds (products), the operation is unrolled into vector operations:
# a library's product is faster, but the call takes longer than that.
_UNROLLED_TAGS, _SMALL_PRODUCT = 32, 10_000


class _Scaled(NamedTuple):
    """A batch and its chain, scaled so that the largest factors are 1."""

    emissions: Array  # (n, t, B); 0 beyond the length
    peaks: Array  # (n, 1, B), maxima of the emissions
    inside: Array  # (n, 1, B) bool
    moved: Array  # (n, 1, B) bool: the word is within the length and is not the first
    E: Array  # (t, t) [from, to]
    E_transposed: Array  # (t, t) [to, from]
    start: Array  # (t, 1)
    end: Array  # (t, 1)
    offset: Array  # (B,) nats, removed from log Z by the scaling
    exact: Array  # () bool: every score of the chain is within its share


def _finite(peak: Array) -> Array:
    """Replace infinite and NaN entries by 0."""
    return jnp.where(jnp.isfinite(peak), peak, 0.0)


def _tiny(dtype) -> float:
    """Return the smallest positive normal number of a floating-point dtype."""
    return float(jnp.finfo(dtype).tiny)


def _limit(x: Array) -> float:
    """Return the share of x (t, B): the smallest number that messages and emissions may hold besides 0."""
    return (len(x) * _tiny(x.dtype)) ** _SHARE_OF_WORDS


def _scale(emissions: Array, chain: Chain, lengths: Array) -> _Scaled:
    """Convert a batch, emissions (B, n, t) and chain in nats, to probabilities whose largest factors are 1.

    Emissions stay in nats; ``peaks`` are subtracted from them later. A score of the chain below its share
    only sets ``exact`` to False.
    """
    t = emissions.shape[-1]
    least = _SHARE_OF_CHAIN * math.log(t * _tiny(emissions.dtype))
    emissions, inside = batch_last(emissions, lengths)
    peaks = _finite(jnp.max(emissions, 1, keepdims=True))
    # All scores of the chain in one array: separate operations would each be compiled.
    scores = jnp.concatenate([chain.transitions, chain.start[None], chain.end[None]])
    largest = jnp.max(scores, 1)
    peak = _finite(jnp.stack([jnp.max(largest[:t]), *largest[t:]]))
    shifted = scores - jnp.concatenate([jnp.full(t, peak[0]), peak[1:]])[:, None]
    exact = ~jnp.any((scores > -jnp.inf) & (shifted < least))
    weights = jnp.exp(shifted)
    E, start, end = weights[:t], weights[t][:, None], weights[t + 1][:, None]
    offset = jnp.sum(jnp.where(inside, peaks, 0.0), (0, 1)) + peak[1] + peak[2]
    offset += peak[0] * jnp.maximum(lengths - 1, 0)
    moved = inside.at[0].set(False)
    # E.T alone would be a view of E that is read with a stride; the stack copies it.
    E_transposed = jnp.stack([E, E.T])[1]
    return _Scaled(emissions, peaks, inside, moved, E, E_transposed, start, end, offset, exact)


def _product(weights: Array, transposed: Array, messages: Array) -> Array:
    """Compute sum over i of weights (i, j) * messages (i, B), (j, B).

    Args:
        weights: (t, t).
        transposed: ``weights.T``, stored as an array of its own.
        messages: (t, B).
    """
    if len(messages) > _UNROLLED_TAGS or len(messages) * messages.size > _SMALL_PRODUCT:
        return transposed @ messages
    total = weights[0][:, None] * messages[:1]
    for i in range(1, len(messages)):
        total += weights[i][:, None] * messages[i : i + 1]
    return total


def _total(x: Array) -> Array:
    """Sum (t, B) over the tags: (1, B)."""
    if len(x) > _UNROLLED_TAGS:
        return jnp.ones((1, len(x)), x.dtype) @ x
    return functools.reduce(jnp.add, [x[i : i + 1] for i in range(len(x))])


def _probability(emissions: Array, peaks: Array, least: Array | float) -> Array:
    """Compute exp(emissions - peaks), (t, B).

    Args:
        emissions: (t, B) nats.
        peaks: (1, B) nats, their maxima.
        least: replaces results below their share, which is ``_limit``; ``-inf`` gives 0 all the same.
    """
    x = jnp.exp(emissions - peaks)
    return jnp.where(jnp.isneginf(emissions), 0.0, jnp.where(x < _limit(x), least, x))


def _raised(messages: Array, least: Array | float) -> Array:
    """Replace messages (t, B) that are above 0 and below ``_limit`` by ``least``; 0 stays 0."""
    return jnp.where((messages > 0) & (messages < _limit(messages)), least, messages)


def _forward(s: _Scaled, *, raising: bool) -> tuple[Array, Array, Array]:
    """Run the forward recursion; padding and the first word, which have no transition, keep the message.

    Args:
        s: the scaled batch.
        raising: raise numbers below their share to it; otherwise they become NaN.

    Returns:
        The last message (t, B), all messages a (n, t, B), and their scales 1 / s_i (n, 1, B).
    """
    least = _limit(s.emissions[0]) if raising else jnp.nan

    def step(a, word):
        emissions, peaks, moved = word
        inverse = 1.0 / jnp.maximum(_total(a), _tiny(a.dtype))
        reached = jnp.where(moved, _product(s.E, s.E_transposed, a), a)
        a = _raised(reached * _probability(emissions, peaks, least) * inverse, least)
        return a, (a, inverse)

    start = jnp.broadcast_to(s.start, s.emissions.shape[1:])
    last, (a, inverses) = jax.lax.scan(step, start, (s.emissions, s.peaks, s.moved))
    return last, a, inverses


def _backward(s: _Scaled, a: Array, inverses: Array, end: Array) -> tuple[Array, Array, Array]:
    """Run the backward recursion.

    Args:
        s: the scaled batch.
        a: (n, t, B) messages of ``_forward``.
        inverses: (n, 1, B) scales of ``_forward``.
        end: (t, B), the message into the last word.

    Returns:
        The first word's message (t, B), P(tag at each word) (n, t, B), and each word's message from the next
        word (n, t, B), 0 at the last word.
    """
    least = _limit(s.emissions[0])
    n, t, _ = a.shape
    negligible = _NEGLIGIBLE / (n * t)

    def step(state, word):
        c, share = state
        emissions, peaks, a, inverse, moves, inside = word
        x = _probability(emissions, peaks, least)
        following = jnp.where(moves, c * share, 0.0)
        c = jnp.where(moves, _product(s.E_transposed, s.E, c), c) * x * (inverse * share)
        c = _raised(jnp.where(a > 0, c, 0.0), least)
        # Computed from c, which is kept: XLA would compute the product behind c twice.
        joint = a * c / jnp.maximum(x * inverse, _tiny(c.dtype))
        total = _total(joint)  # 1 up to rounding; 0 if no path exists
        share = jnp.where(total > 0, 1.0 / total, 1.0)
        raised = jnp.minimum(a, x) <= least
        c = jnp.where(raised & (joint > negligible), jnp.nan, c)
        return (c, share), (jnp.where(inside, joint * share, 0.0), following)

    words = (s.emissions, s.peaks, a, inverses, jnp.roll(s.moved, -1, 0), s.inside)
    first = end, jnp.ones_like(end[:1])
    (first, _), (marginals, following) = jax.lax.scan(step, first, words, reverse=True)
    return first, marginals, following


def _log_partition(s: _Scaled, last: Array, inverses: Array, lengths: Array) -> Array:
    """Compute log Z (B,) nats; 0 for length 0.

    Args:
        s: the scaled batch.
        last: (t, B), the last message of ``_forward``.
        inverses: (n, 1, B), scales of ``_forward``.
        lengths: (B,) int32.
    """
    total = jnp.log(jnp.sum(last * s.end, 0)) - jnp.sum(jnp.log(inverses[:, 0]), 0) + s.offset
    return jnp.where(lengths > 0, total, 0.0)


def log_partition(emissions: Array, chain: Chain, lengths: Array) -> tuple[Array, Array]:
    """Compute log Z of a batch: (B, n, t), chain, (B,) int32 -> (B,) nats, and () bool.

    The flag is True if all results are exact. If the flag is False, any entry may be wrong or NaN: use
    ``logspace.log_partition`` for the whole batch.
    """
    s = _scale(emissions, chain, lengths)
    last, _, inverses = _forward(s, raising=False)
    return _log_partition(s, last, inverses, lengths), s.exact & jnp.all(jnp.isfinite(last))


def posterior(
    emissions: Array, chain: Chain, lengths: Array, *, transitions: bool
) -> tuple[Posterior, Array]:
    """Compute log Z, marginals and, if ``transitions``, expected transitions of a batch.

    Args:
        emissions: (B, n, t) float, nats.
        chain: transitions [from, to], start and end in nats, of the dtype of the emissions.
        lengths: (B,) int32.
        transitions: compute the expected transitions; otherwise they are zeros.

    Returns:
        The posterior, and () bool, True if it is exact for all sentences. If not, any entry may be wrong or
        NaN.
    """
    s = _scale(emissions, chain, lengths)
    last, a, inverses = _forward(s, raising=True)
    total = jnp.sum(last * s.end, 0, keepdims=True)
    end = jnp.where(total > 0, s.end / total, 0.0)
    first, marginals, following = _backward(s, a, inverses, end)
    _, t, B = a.shape
    left, right = (a, following) if transitions else (a[:0], a[:0])
    factors = ExpectedTransitions(s.E, left, right, jnp.zeros((B, t, t), a.dtype))
    log_z = _log_partition(s, last, inverses, lengths)
    exact = s.exact & jnp.all(jnp.isfinite(last + first))
    return Posterior(log_z, marginals, factors), exact
