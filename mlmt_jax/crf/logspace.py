"""Forward and backward recursions by log-sum-exp: slower, exact whatever the scores, plainly differentiable.

Messages are kept relative to their maximum, so that their differences stay accurate in long sentences.
Where nothing is allowed the results are ``-inf`` and gradients 0, never NaN.
"""

import jax
import jax.numpy as jnp

from mlmt_jax.crf.chain import Chain
from mlmt_jax.crf.messages import Moves, Posterior, time_first

__all__ = [
    "backward",
    "forward",
    "log_partition",
    "logsumexp",
    "posterior",
    "posterior_at_once",
    "relative",
    "softmax",
]


def _peak(x: jax.Array, axis: int | tuple[int, ...]) -> jax.Array:
    peak = jax.lax.stop_gradient(jnp.max(x, axis, keepdims=True))
    return jnp.where(jnp.isneginf(peak), 0.0, peak)


def logsumexp(x: jax.Array, axis: int) -> jax.Array:
    """Log sum exp; ``-inf``, with a gradient of 0, where all is ``-inf``."""
    peak = _peak(x, axis)
    total = jnp.sum(jnp.exp(x - peak), axis)
    nothing = total == 0
    return jnp.where(nothing, -jnp.inf, jnp.log(jnp.where(nothing, 1.0, total))) + jnp.squeeze(peak, axis)


def softmax(x: jax.Array, axis: int | tuple[int, ...]) -> jax.Array:
    """exp(x) over its sum; 0, with a gradient of 0, where all is ``-inf``."""
    weights = jnp.exp(x - _peak(x, axis))
    total = jnp.sum(weights, axis, keepdims=True)
    return weights / jnp.where(total == 0, 1.0, total)


def relative(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """X less its maximum over the last axis, and that maximum (0 where all is ``-inf``)."""
    peak = _peak(x, -1)
    return x - peak, peak[..., 0]


def forward(emissions: jax.Array, chain: Chain, inside: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Relative log alpha (n, B, t), and the sum (B,) of what was taken off at all words."""
    transitions = chain.transitions[None]

    def step(alpha, now):
        emission, live = now
        reached, peak = relative(logsumexp(alpha[..., None] + transitions, -2) + emission)
        alpha = jnp.where(live, reached, alpha)
        return alpha, (alpha, jnp.where(live[..., 0], peak, 0.0))

    first, peak = relative(chain.start[None] + emissions[0])
    _, (rest, peaks) = jax.lax.scan(step, first, (emissions[1:], inside[1:]))
    return jnp.concatenate([first[None], rest]), peak + jnp.sum(peaks, 0)


def backward(emissions: jax.Array, chain: Chain, inside: jax.Array) -> jax.Array:
    """Relative log beta (n, B, t)."""
    transitions = chain.transitions[None]

    def step(beta, now):
        emission, live = now  # of the word behind
        left, _ = relative(logsumexp(transitions + (emission + beta)[..., None, :], -1))
        beta = jnp.where(live, left, beta)
        return beta, beta

    final, _ = relative(jnp.broadcast_to(chain.end, emissions.shape[1:]))
    _, rest = jax.lax.scan(step, final, (emissions[1:], inside[1:]), reverse=True)
    return jnp.concatenate([rest, final[None]])


def log_partition(emissions: jax.Array, chain: Chain, lengths: jax.Array) -> jax.Array:
    """Log Z (B,) nats."""
    emissions, inside = time_first(emissions, lengths)
    return _total(*forward(emissions, chain, inside), chain, lengths)


def _total(alpha: jax.Array, peaks: jax.Array, chain: Chain, lengths: jax.Array) -> jax.Array:
    return jnp.where(lengths > 0, logsumexp(alpha[-1] + chain.end[None], -1) + peaks, 0.0)


def _both_ways(
    emissions: jax.Array, chain: Chain, inside: jax.Array, turn: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """What ``forward`` and ``backward`` give, from one loop of ``turn`` words in each of its turns."""
    # (2, B, from, to) and (2, B, to, from): of the way back, what is reached comes first.
    weights = jnp.stack([chain.transitions, chain.transitions.T])[:, None]
    later, live = emissions[1:], inside[1:]
    nothing = jnp.zeros_like(later)
    before = jnp.stack([nothing, later[::-1]], 1)
    after = jnp.stack([later, nothing], 1)

    def step(message, now):
        before, after, live = now
        reached = logsumexp((message + before)[..., None] + weights, -2) + after
        reached, peak = relative(reached)
        message = jnp.where(live, reached, message)
        return message, (message, jnp.where(live[..., 0], peak, 0.0))

    ends = jnp.stack([chain.start[None] + emissions[0], jnp.broadcast_to(chain.end, emissions.shape[1:])])
    first, peak = relative(ends)
    words = before, after, jnp.stack([live, live[::-1]], 1)
    _, (rest, peaks) = jax.lax.scan(step, first, words, unroll=turn)
    alpha = jnp.concatenate([first[:1], rest[:, 0]])
    beta = jnp.concatenate([rest[::-1, 1], first[1:]])
    return alpha, peak[0] + jnp.sum(peaks[:, 0], 0), beta


def posterior(emissions: jax.Array, chain: Chain, lengths: jax.Array, *, moves: bool) -> Posterior:
    """Log Z, marginals and, where ``moves``, expected transitions; in little memory."""
    emissions, inside = time_first(emissions, lengths)
    alpha, peaks = forward(emissions, chain, inside)
    beta = backward(emissions, chain, inside)
    _, B, t = emissions.shape
    expected = jnp.zeros((B, t, t), emissions.dtype)
    if moves:

        def step(total, now):
            left, right, live = now
            pairs = softmax(left[..., None] + chain.transitions[None] + right[..., None, :], (-2, -1))
            return total + jnp.where(live[..., None], pairs, 0.0), None

        expected, _ = jax.lax.scan(step, expected, (alpha[:-1], emissions[1:] + beta[1:], inside[1:]))
    return _posterior(alpha, peaks, beta, expected, chain, lengths, inside, moves)


def posterior_at_once(
    emissions: jax.Array, chain: Chain, lengths: jax.Array, *, moves: bool, turn: int
) -> Posterior:
    """``posterior`` in few operations: one loop for both ways, ``turn`` words a turn; all pairs at once."""
    emissions, inside = time_first(emissions, lengths)
    alpha, peaks, beta = _both_ways(emissions, chain, inside, turn)
    _, B, t = emissions.shape
    expected = jnp.zeros((B, t, t), emissions.dtype)
    if moves:
        left, right = alpha[:-1, ..., None], (emissions[1:] + beta[1:])[:, :, None]
        pairs = softmax(left + chain.transitions[None, None] + right, (-2, -1))
        expected = jnp.sum(jnp.where(inside[1:, ..., None], pairs, 0.0), 0)
    return _posterior(alpha, peaks, beta, expected, chain, lengths, inside, moves)


def _posterior(
    alpha: jax.Array,
    peaks: jax.Array,
    beta: jax.Array,
    expected: jax.Array,
    chain: Chain,
    lengths: jax.Array,
    inside: jax.Array,
    moves: bool,
) -> Posterior:
    log_z = _total(alpha, peaks, chain, lengths)
    marginals = jnp.where(inside, softmax(alpha + beta, -1), 0.0)
    n, B, t = alpha.shape
    none = jnp.zeros((n if moves else 0, t, B), alpha.dtype)
    factors = Moves(jnp.zeros((t, t), alpha.dtype), none, none, expected)
    return Posterior(log_z, jnp.swapaxes(marginals, 1, 2), factors)
