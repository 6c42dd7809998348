"""Forward and backward recursions as matrix products of scaled probabilities: fast, where they are exact.

    a_i = (E' a_(i-1)) * x_i / max(a_(i-1))        E = exp(transitions - max)
    b_i = (E b_(i+1)) * x_i / max(b_(i+1))         x_i = exp(emissions_i - max)

(Rabiner 1989, section V.A; b has its own word's emission in it here, so that both directions are one
recursion.) Numbers that are not forbidden are kept away from underflow: of the floating-point range, log t is
set aside, since a maximum may be up to t, and the rest is shared out between a or b, E and x; where one of
them leaves its share the result is reported as not exact. So a zero always means "forbidden", and every
product within a step is a normal number.

The batch is the last axis, over which a CPU's vector instructions run.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mlmt_jax.crf.chain import Chain
from mlmt_jax.crf.messages import Moves, Posterior, batch_last

__all__ = ["log_partition", "posterior"]

# Shares of the range, in float32 of 87 - log t nats: of messages and of emissions, and of the chain's scores.
_SHARE_OF_WORDS, _SHARE_OF_CHAIN = 0.40, 0.19

# Up to so many tags the products are written out as one vector operation; beyond, they are a matmul.
_WRITTEN_OUT = 32


class _Scaled(NamedTuple):
    x: jax.Array  # (n, t, B) exp(emissions - peaks); 1 beyond the length
    inside: jax.Array  # (n, 1, B) bool
    moved: jax.Array  # (n, 1, B) bool, whether the word and one before it are within the length
    E: jax.Array  # (t, t)
    start: jax.Array  # (t, 1)
    end: jax.Array  # (t, 1)
    offset: jax.Array  # (B,) nats, what the scaling of emissions and chain took away
    low: jax.Array  # (n, t, B) x where the emission is not forbidden, 1 elsewhere; 0 where x is not sound
    exact: jax.Array  # () bool, of the chain


def _finite(peak: jax.Array) -> jax.Array:
    return jnp.where(jnp.isfinite(peak), peak, 0.0)


def _tiny(dtype) -> float:
    return float(jnp.finfo(dtype).tiny)


def _scale(emissions: jax.Array, chain: Chain, lengths: jax.Array) -> _Scaled:
    least = _SHARE_OF_CHAIN * math.log(emissions.shape[-1] * _tiny(emissions.dtype))

    def scaled(scores: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        peak = _finite(jnp.max(scores))
        shifted = scores - peak
        within = ~jnp.any((scores > -jnp.inf) & (shifted < least))
        return jnp.exp(shifted), peak, within

    emissions, inside = batch_last(emissions, lengths)
    peaks = _finite(jnp.max(emissions, 1, keepdims=True))
    x = jnp.exp(emissions - peaks)
    E, peak, exact = scaled(chain.transitions)
    start, start_peak, exact_start = scaled(chain.start)
    end, end_peak, exact_end = scaled(chain.end)
    offset = jnp.sum(jnp.where(inside, peaks, 0.0), (0, 1)) + start_peak + end_peak
    offset += peak * jnp.maximum(lengths - 1, 0)
    # Beside infinities x may be above 1, or no number.
    low = jnp.where(jnp.isneginf(emissions), 1.0, jnp.where(x <= 1.0, x, 0.0))
    moved = inside.at[0].set(False)
    return _Scaled(
        x, inside, moved, E, start[:, None], end[:, None], offset, low, exact & exact_start & exact_end
    )


def _move(E: jax.Array, messages: jax.Array) -> jax.Array:
    """sum over "from" of E (from, to) * messages (from, B): (to, B)."""
    if len(E) > _WRITTEN_OUT:
        # On a GPU the default would be TF32, of which three digits are right.
        return jnp.matmul(E.T, messages, precision="highest")
    total = E[0][:, None] * messages[:1]
    for i in range(1, len(E)):
        total += E[i][:, None] * messages[i : i + 1]
    return total


def _recursion(
    first: jax.Array, E: jax.Array, x: jax.Array, live: jax.Array, *, reverse: bool = False
) -> tuple[jax.Array, jax.Array]:
    """Messages (n, t, B), and the maxima (n, 1, B) of those before each, by which each is scaled.

    first: (t, 1), its maximum 1, or 0 where all is forbidden. E: (t, t), [from, to]. x: (n, t, B).
    live: (n, 1, B), where a message moves on; elsewhere it stays, as it does at the first word.
    reverse: from the last word on.
    """
    tiny = _tiny(first.dtype)

    def step(messages, now):
        x, live = now
        scale = jnp.max(messages, 0, keepdims=True)
        messages = jnp.where(live, _move(E, messages), messages) * x * (1.0 / jnp.maximum(scale, tiny))
        return messages, (messages, scale)

    start = jnp.broadcast_to(first, x.shape[1:])
    return jax.lax.scan(step, start, (x, live), reverse=reverse)[1]


def _within_share(low: jax.Array, *messages: jax.Array) -> jax.Array:
    """Whether all of low, and what is not 0 of messages, is above the limit, () bool; NaN is not."""
    for message in messages:
        low = jnp.minimum(low, jnp.where(message == 0, 1.0, message))
    return jnp.all(jnp.min(low, 0) >= (low.shape[1] * _tiny(low.dtype)) ** _SHARE_OF_WORDS)


def _log_partition(s: _Scaled, last: jax.Array, scales: jax.Array, lengths: jax.Array) -> jax.Array:
    total = jnp.log(jnp.sum(last * s.end, 0)) + jnp.sum(jnp.log(scales[:, 0]), 0) + s.offset
    return jnp.where(lengths > 0, total, 0.0)


def log_partition(emissions: jax.Array, chain: Chain, lengths: jax.Array) -> tuple[jax.Array, jax.Array]:
    """log Z (B,) nats, and whether it is exact, () bool."""
    s = _scale(emissions, chain, lengths)
    a, scales = _recursion(s.start, s.E, s.x, s.moved)
    return _log_partition(s, a[-1], scales, lengths), s.exact & _within_share(s.low, a)


def posterior(
    emissions: jax.Array, chain: Chain, lengths: jax.Array, *, moves: bool
) -> tuple[Posterior, jax.Array]:
    """The posterior, and whether it is exact, () bool."""
    s = _scale(emissions, chain, lengths)
    # Two loops that do not wait for each other: a CPU runs them at the same time.
    a, scales = _recursion(s.start, s.E, s.x, s.moved)
    b, _ = _recursion(s.end, s.E.T, s.x, jnp.roll(s.moved, -1, 0), reverse=True)
    tiny = _tiny(a.dtype)
    joint = a * b / jnp.maximum(s.x, tiny)  # both hold the word's own emission
    total = jnp.sum(joint, 1, keepdims=True)  # (n, 1, B)
    share = jnp.where(s.inside, 1.0 / jnp.maximum(total, tiny), 0.0)
    B, t = a.shape[-1], a.shape[1]
    factors = Moves(s.E, a[:0], a[:0], jnp.zeros((B, t, t), a.dtype))
    if moves:
        # Where a is 0 no move leads here, and the quotient might overflow.
        right = jnp.where(a[1:] > 0, b[1:] * share[1:] / jnp.maximum(scales[1:], tiny), 0.0)
        factors = factors._replace(left=a[:-1], right=right)
    log_z = _log_partition(s, a[-1], scales, lengths)
    return Posterior(log_z, jnp.transpose(joint * share, (2, 0, 1)), factors), s.exact & _within_share(
        s.low, a, b
    )
