"""Forward and backward recursions as matrix products of scaled probabilities: fast, where they are exact.

    a_i = (E' a_(i-1)) * x_i / s_i       s_i = sum(a_(i-1))
    c_i = (E c_(i+1)) * x_i / s_i        E = exp(transitions - max), x_i = exp(emissions_i - max)

(Rabiner 1989, section V.A; c has its own word's emission and scale in it here.) With c divided by the sum of
all sequences at the end, P(tag) is a_i * (E c_(i+1)) and P(tag, next tag) is a_i * E * c_(i+1), but for
rounding, which is taken out at each word. Where a_i is 0, c_i does not matter and is 0.

Numbers that are not forbidden are kept away from underflow: of the floating-point range, log t is set aside,
since a sum may be up to t, and the rest is shared out between a or c, E and x. So a zero always means
"forbidden", and every product within a step is a normal number. What falls below its share is lifted to it,
which adds paths that are not there: P(tag) at the lifted number bounds them. Where they matter, and where
nothing goes backward to tell, the number becomes NaN, which reaches the last message of its sentence, so that
looking at that one tells whether the result is exact. (A lifted c never matters: the paths it adds are at
most t times the limit of the sum of all sequences.)

The batch is the last axis, over which a CPU's vector instructions run. Exponentials are taken within the
recursions: a pass over all words costs more than taking them twice.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mlmt_jax.crf.chain import Chain
from mlmt_jax.crf.messages import Moves, Posterior, batch_last

__all__ = ["log_partition", "posterior"]

# Shares of the range, in float32 of 87 - log t nats: of messages and of emissions, and of the chain's scores.
_SHARE_OF_WORDS, _SHARE_OF_CHAIN = 0.40, 0.19

# So small a probability may be made up of lifted numbers, in a whole sentence: shared out between its n * t.
_NOTHING = 1e-6

# Sums over so many tags, and products of so many multiply-adds besides, are written out as one vector
# operation: a library's product is quicker, but calling it takes longer than that.
_WRITTEN_OUT, _SMALL_PRODUCT = 32, 10_000


class _Scaled(NamedTuple):
    emissions: jax.Array  # (n, t, B); 0 beyond the length
    peaks: jax.Array  # (n, 1, B) their maxima
    inside: jax.Array  # (n, 1, B) bool
    moved: jax.Array  # (n, 1, B) bool, whether the word and one before it are within the length
    E: jax.Array  # (t, t) [from, to]
    back: jax.Array  # (t, t) [to, from]
    start: jax.Array  # (t, 1)
    end: jax.Array  # (t, 1)
    offset: jax.Array  # (B,) nats, what the scaling of emissions and chain took away
    exact: jax.Array  # () bool, of the chain


def _finite(peak: jax.Array) -> jax.Array:
    return jnp.where(jnp.isfinite(peak), peak, 0.0)


def _tiny(dtype) -> float:
    return float(jnp.finfo(dtype).tiny)


def _limit(x: jax.Array) -> float:
    """Below which numbers of messages and emissions (t, B) leave their share."""
    return (len(x) * _tiny(x.dtype)) ** _SHARE_OF_WORDS


def _scale(emissions: jax.Array, chain: Chain, lengths: jax.Array) -> _Scaled:
    t = emissions.shape[-1]
    least = _SHARE_OF_CHAIN * math.log(t * _tiny(emissions.dtype))
    emissions, inside = batch_last(emissions, lengths)
    peaks = _finite(jnp.max(emissions, 1, keepdims=True))
    # All the chain's scores in one array: each operation on its own would be one more to compile.
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
    # A transpose proper, not a view of E that is read across.
    back = jnp.stack([E, E.T])[1]
    return _Scaled(emissions, peaks, inside, moved, E, back, start, end, offset, exact)


def _move(by_source: jax.Array, by_goal: jax.Array, messages: jax.Array) -> jax.Array:
    """Sum over i of weights (i, j) * messages (i, B): (j, B). The weights are given both ways round."""
    if len(messages) > _WRITTEN_OUT or len(messages) * messages.size > _SMALL_PRODUCT:
        return by_goal @ messages
    total = by_source[0][:, None] * messages[:1]
    for i in range(1, len(messages)):
        total += by_source[i][:, None] * messages[i : i + 1]
    return total


def _total(x: jax.Array) -> jax.Array:
    """(t, B) summed over the tags: (1, B)."""
    if len(x) > _WRITTEN_OUT:
        return jnp.ones((1, len(x)), x.dtype) @ x
    return functools.reduce(jnp.add, [x[i : i + 1] for i in range(len(x))])


def _probability(emissions: jax.Array, peaks: jax.Array, least: jax.Array | float) -> jax.Array:
    """exp(emissions - peaks), (t, B); ``least`` where it is below its share, and not forbidden."""
    x = jnp.exp(emissions - peaks)
    return jnp.where(jnp.isneginf(emissions), 0.0, jnp.where(x < _limit(x), least, x))


def _within_share(messages: jax.Array, least: jax.Array | float) -> jax.Array:
    return jnp.where((messages > 0) & (messages < _limit(messages)), least, messages)


def _forward(s: _Scaled, *, lifting: bool) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The last message (t, B), all of them (n, t, B), and by what each is multiplied, 1 / s_i (n, 1, B).

    Where a message does not move on, before the first word and beyond the last, it stays. What falls below
    its share is lifted to it, or else NaN.
    """
    least = _limit(s.emissions[0]) if lifting else jnp.nan

    def step(a, now):
        emissions, peaks, moved = now
        inverse = 1.0 / jnp.maximum(_total(a), _tiny(a.dtype))
        a = jnp.where(moved, _move(s.E, s.back, a), a) * _probability(emissions, peaks, least) * inverse
        a = _within_share(a, least)
        return a, (a, inverse)

    start = jnp.broadcast_to(s.start, s.emissions.shape[1:])
    last, (a, inverses) = jax.lax.scan(step, start, (s.emissions, s.peaks, s.moved))
    return last, a, inverses


def _backward(
    s: _Scaled, a: jax.Array, inverses: jax.Array, end: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The first message (t, B), P(tag at each word) (n, t, B), and the messages from the next words, alike.

    end: (t, B), what the last words receive.
    """
    least = _limit(s.emissions[0])
    n, t, _ = a.shape
    nothing = _NOTHING / (n * t)

    def step(state, now):
        c, share = state
        emissions, peaks, a, inverse, moves, inside = now
        x = _probability(emissions, peaks, least)
        following = jnp.where(moves, c * share, 0.0)
        c = jnp.where(moves, _move(s.back, s.E, c), c) * x * (inverse * share)
        c = _within_share(jnp.where(a > 0, c, 0.0), least)
        # From c, which is kept; from the product that c is made of, XLA would compute that twice.
        joint = a * c / jnp.maximum(x * inverse, _tiny(c.dtype))
        total = _total(joint)  # 1, but for what rounding adds up to; 0 where no path is
        share = jnp.where(total > 0, 1.0 / total, 1.0)
        lifted = jnp.minimum(a, x) <= least
        c = jnp.where(lifted & (joint > nothing), jnp.nan, c)
        return (c, share), (jnp.where(inside, joint * share, 0.0), following)

    words = (s.emissions, s.peaks, a, inverses, jnp.roll(s.moved, -1, 0), s.inside)
    (first, _), (marginals, following) = jax.lax.scan(
        step, (end, jnp.ones_like(end[:1])), words, reverse=True
    )
    return first, marginals, following


def _log_partition(s: _Scaled, last: jax.Array, inverses: jax.Array, lengths: jax.Array) -> jax.Array:
    total = jnp.log(jnp.sum(last * s.end, 0)) - jnp.sum(jnp.log(inverses[:, 0]), 0) + s.offset
    return jnp.where(lengths > 0, total, 0.0)


def log_partition(emissions: jax.Array, chain: Chain, lengths: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Log Z (B,) nats, and whether it is exact, () bool."""
    s = _scale(emissions, chain, lengths)
    last, _, inverses = _forward(s, lifting=False)
    return _log_partition(s, last, inverses, lengths), s.exact & jnp.all(jnp.isfinite(last))


def posterior(
    emissions: jax.Array, chain: Chain, lengths: jax.Array, *, moves: bool
) -> tuple[Posterior, jax.Array]:
    """The posterior, and whether it is exact, () bool."""
    s = _scale(emissions, chain, lengths)
    last, a, inverses = _forward(s, lifting=True)
    total = jnp.sum(last * s.end, 0, keepdims=True)
    end = jnp.where(total > 0, s.end / total, 0.0)
    first, marginals, following = _backward(s, a, inverses, end)
    B, t = a.shape[-1], a.shape[1]
    factors = Moves(s.E, a[:0], a[:0], jnp.zeros((B, t, t), a.dtype))
    if moves:
        factors = factors._replace(left=a, right=following)
    log_z = _log_partition(s, last, inverses, lengths)
    exact = s.exact & jnp.all(jnp.isfinite(last + first))
    return Posterior(log_z, marginals, factors), exact
