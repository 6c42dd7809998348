"""Forward and backward recursions as matrix products of scaled probabilities: fast, where they are exact.

    a_i = (a_(i-1) E) * x_i / scale        E = exp(transitions - max)        x_i = exp(emissions_i - max)

(Rabiner 1989, section V.A.) Numbers that are not forbidden are kept away from underflow: the floating-point
range is shared out between a, E and x, and where one of them leaves its share the result is reported as not
exact. So a zero always means "forbidden", and every product within a step is a normal number.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mlmt_jax.crf.chain import Chain
from mlmt_jax.crf.messages import Posterior, time_first

__all__ = ["log_partition", "posterior"]

# Shares of the range in nats, of 87 in float32: trained transitions span less than emissions do.
_SHARE_OF_MESSAGES, _SHARE_OF_EMISSIONS, _SHARE_OF_CHAIN = 0.40, 0.40, 0.19


class _Scaled(NamedTuple):
    inside: jax.Array  # (n, B, 1) bool
    x: jax.Array  # (n, B, t) exp(emissions - peaks)
    E: jax.Array  # (t, t)
    start: jax.Array  # (1, t)
    end: jax.Array  # (1, t)
    offset: jax.Array  # (B,) nats, what the scaling of emissions and chain took away
    exact: jax.Array  # () bool


def _exp(scores: jax.Array, axes: int | tuple[int, ...], share: float):
    """exp(scores - max), the maximum, and whether all that is finite stays within the share."""
    peak = jnp.max(scores, axes, keepdims=True)
    peak = jnp.where(jnp.isfinite(peak), peak, 0.0)
    shifted = scores - peak
    limit = share * jnp.log(jnp.finfo(scores.dtype).tiny)
    exact = ~jnp.any((shifted < limit) & (shifted > -jnp.inf))
    return jnp.exp(shifted), peak, exact


def _scale(emissions: jax.Array, chain: Chain, lengths: jax.Array) -> _Scaled:
    emissions, inside = time_first(emissions, lengths)
    x, peaks, exact_x = _exp(emissions, -1, _SHARE_OF_EMISSIONS)
    E, peak, exact_chain = _exp(chain.transitions, (0, 1), _SHARE_OF_CHAIN)
    start, start_peak, exact_start = _exp(chain.start, 0, _SHARE_OF_CHAIN)
    end, end_peak, exact_end = _exp(chain.end, 0, _SHARE_OF_CHAIN)
    offset = jnp.sum(jnp.where(inside, peaks, 0.0), (0, 2)) + start_peak[0] + end_peak[0]
    offset += peak[0, 0] * jnp.maximum(lengths - 1, 0)
    # +inf and NaN within a sentence are for the other way to tell.
    exact = exact_x & exact_chain & exact_start & exact_end & jnp.all(emissions < jnp.inf)
    return _Scaled(inside, x, E, start[None], end[None], offset, exact)


def _normalise(y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """y / max(y), and the maximum; 0 stays 0."""
    scale = jnp.max(y, -1, keepdims=True)
    return y / jnp.where(scale > 0, scale, 1.0), scale


def _within_share(messages: jax.Array) -> jax.Array:
    limit = jnp.exp(_SHARE_OF_MESSAGES * jnp.log(jnp.finfo(messages.dtype).tiny))
    return ~jnp.any((messages > 0) & (messages < limit))


def _log_total(total: jax.Array) -> jax.Array:
    return jnp.where(total > 0, jnp.log(jnp.where(total > 0, total, 1.0)), -jnp.inf)


def _product(a: jax.Array, b: jax.Array) -> jax.Array:
    # On a GPU the default would be TF32, of which three digits are right.
    return jnp.matmul(a, b, precision="highest")


def log_partition(emissions: jax.Array, chain: Chain, lengths: jax.Array) -> tuple[jax.Array, jax.Array]:
    """log Z (B,) nats, and whether it is exact, () bool."""
    s = _scale(emissions, chain, lengths)

    def step(a, now):
        x, live = now
        reached, scale = _normalise(_product(a, s.E) * x)
        a = jnp.where(live, reached, a)
        return a, (jnp.where(live, scale, 1.0)[..., 0], _within_share(a))

    first, scale = _normalise(s.start * s.x[0])
    last, (scales, within) = jax.lax.scan(step, first, (s.x[1:], s.inside[1:]))
    exact = s.exact & _within_share(first) & jnp.all(within)
    total = _log_total(jnp.sum(last * s.end, -1)) + _log_total(scale[:, 0])
    total += jnp.sum(_log_total(scales), 0) + s.offset
    return jnp.where(lengths > 0, total, 0.0), exact


def posterior(
    emissions: jax.Array, chain: Chain, lengths: jax.Array, *, moves: bool
) -> tuple[Posterior, jax.Array]:
    """The posterior, and whether it is exact, () bool. Both directions run in one scan."""
    s = _scale(emissions, chain, lengths)
    B, t = len(lengths), s.E.shape[0]

    def step(state, now):
        a, b = state
        x, live, next_x, next_live = now  # of word i for a; of the word behind it for b
        reached, scale = _normalise(_product(a, s.E) * x)
        a = jnp.where(live, reached, a)
        left, _ = _normalise(_product(next_x * b, s.E.T))
        b = jnp.where(next_live, left, b)
        return (a, b), (a, b, jnp.where(live, scale, 1.0))

    first, scale = _normalise(s.start * s.x[0])
    final = jnp.broadcast_to(s.end, (B, t))
    words = (s.x[1:], s.inside[1:], s.x[:0:-1], s.inside[:0:-1])
    _, (a, b, scales) = jax.lax.scan(step, (first, final), words)
    a = jnp.concatenate([first[None], a])  # (n, B, t)
    b = jnp.concatenate([b[::-1], final[None]])
    joint = a * b
    total = jnp.sum(joint, -1, keepdims=True)  # (n, B, 1)
    safe = jnp.where(total > 0, total, 1.0)
    marginals = jnp.where(s.inside, joint / safe, 0.0)
    last = jnp.take_along_axis(a, jnp.maximum(lengths - 1, 0)[None, :, None], 0)[0]
    log_z = _log_total(jnp.sum(last * s.end, -1)) + _log_total(scale[:, 0])
    log_z += jnp.sum(_log_total(scales[..., 0]), 0) + s.offset
    expected = jnp.zeros((B, 0, 0), a.dtype)
    if moves:
        weights = s.x[1:] * b[1:] / (jnp.where(scales > 0, scales, 1.0) * safe[1:])
        weights = jnp.where(s.inside[1:], weights, 0.0)
        expected = s.E[None] * jnp.einsum("nbk,nbj->bkj", a[:-1], weights, precision="highest")
    exact = s.exact & _within_share(a) & _within_share(b)
    result = Posterior(jnp.where(lengths > 0, log_z, 0.0), jnp.moveaxis(marginals, 0, 1), expected)
    return result, exact
