"""Forward and backward recursions by log-sum-exp: slower than ``scaled``, exact for all scores.

Each word's messages are kept relative to their maximum, so their differences stay accurate in long sentences.
If no sequence is allowed, results are ``-inf`` and gradients 0, never NaN. All functions can be
differentiated.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from mlmt_jax.crf.axes import time_first
from mlmt_jax.crf.chain import Chain
from mlmt_jax.crf.expectations import ExpectedTransitions, Posterior


def _peak(x: Array, axis: int | tuple[int, ...]) -> Array:
    """Return the maximum over axes, which are kept; 0 if all is ``-inf``. It has no gradient."""
    peak = jax.lax.stop_gradient(jnp.max(x, axis, keepdims=True))
    return jnp.where(jnp.isneginf(peak), 0.0, peak)


def logsumexp(x: Array, axis: int) -> Array:
    """Return log sum exp over an axis, which is removed; ``-inf`` with a gradient of 0 if all is ``-inf``."""
    peak = _peak(x, axis)
    total = jnp.sum(jnp.exp(x - peak), axis)
    nothing = total == 0
    return jnp.where(nothing, -jnp.inf, jnp.log(jnp.where(nothing, 1.0, total))) + jnp.squeeze(peak, axis)


def softmax(x: Array, axis: int | tuple[int, ...]) -> Array:
    """Return exp(x) over its sum over axes, in the shape of x; 0 with a gradient of 0 if all is ``-inf``."""
    weights = jnp.exp(x - _peak(x, axis))
    total = jnp.sum(weights, axis, keepdims=True)
    return weights / jnp.where(total == 0, 1.0, total)


def relative(x: Array) -> tuple[Array, Array]:
    """Return x (..., t) less its maximum over the last axis, and that maximum (...), 0 if all is ``-inf``."""
    peak = _peak(x, -1)
    return x - peak, peak[..., 0]


def forward(emissions: Array, chain: Chain, inside: Array) -> tuple[Array, Array]:
    """Compute the forward messages of a batch.

        log alpha_i[b] = log sum over a of exp(log alpha_i-1[a] + transitions[a, b]) + e_i[b]

    Args:
        emissions: (n, B, t) float, nats.
        chain: scores, nats.
        inside: (n, B, 1) bool, True for words within the length. Padding repeats the last message.

    Returns:
        log alpha (n, B, t), of each word relative to its maximum, and the sum of these maxima (B,), nats.
    """
    transitions = chain.transitions[None]

    def step(alpha, word):
        emission, live = word
        reached, peak = relative(logsumexp(alpha[..., None] + transitions, -2) + emission)
        alpha = jnp.where(live, reached, alpha)
        return alpha, (alpha, jnp.where(live[..., 0], peak, 0.0))

    first, peak = relative(chain.start[None] + emissions[0])
    _, (rest, peaks) = jax.lax.scan(step, first, (emissions[1:], inside[1:]))
    return jnp.concatenate([first[None], rest]), peak + jnp.sum(peaks, 0)


def backward(emissions: Array, chain: Chain, inside: Array) -> Array:
    """Compute the backward messages of a batch.

        log beta_i[a] = log sum over b of exp(transitions[a, b] + e_i+1[b] + log beta_i+1[b])

    Args:
        emissions: (n, B, t) float, nats.
        chain: scores, nats.
        inside: (n, B, 1) bool, True for words within the length. Padding holds the scores of the end.

    Returns:
        log beta (n, B, t), of each word relative to its maximum. The emission of word i itself is not in it.
    """
    transitions = chain.transitions[None]

    def step(beta, next_word):
        emission, live = next_word
        reached, _ = relative(logsumexp(transitions + (emission + beta)[..., None, :], -1))
        beta = jnp.where(live, reached, beta)
        return beta, beta

    final, _ = relative(jnp.broadcast_to(chain.end, emissions.shape[1:]))
    _, rest = jax.lax.scan(step, final, (emissions[1:], inside[1:]), reverse=True)
    return jnp.concatenate([rest, final[None]])


def _bidirectional(emissions: Array, chain: Chain, inside: Array, unroll: int) -> tuple[Array, Array, Array]:
    """Compute ``forward`` and ``backward`` in one loop, unrolled by ``unroll`` words.

    Args:
        emissions: (n, B, t) float, nats.
        chain: scores, nats.
        inside: (n, B, 1) bool, True for words within the length.
        unroll: words in one iteration, at least 1.

    Returns:
        log alpha (n, B, t), the sum of its maxima (B,), and log beta (n, B, t).
    """
    # (2, B, from, to) and (2, B, to, from): the backward direction moves from each word to the one before it.
    weights = jnp.stack([chain.transitions, chain.transitions.T])[:, None]
    later, live = emissions[1:], inside[1:]
    nothing = jnp.zeros_like(later)
    # Forward adds a word's emissions after the transition, backward before it.
    before = jnp.stack([nothing, later[::-1]], 1)
    after = jnp.stack([later, nothing], 1)

    def step(message, word):
        before, after, live = word
        reached = logsumexp((message + before)[..., None] + weights, -2) + after
        reached, peak = relative(reached)
        message = jnp.where(live, reached, message)
        return message, (message, jnp.where(live[..., 0], peak, 0.0))

    ends = jnp.stack([chain.start[None] + emissions[0], jnp.broadcast_to(chain.end, emissions.shape[1:])])
    first, peak = relative(ends)
    words = before, after, jnp.stack([live, live[::-1]], 1)
    _, (rest, peaks) = jax.lax.scan(step, first, words, unroll=unroll)
    alpha = jnp.concatenate([first[:1], rest[:, 0]])
    beta = jnp.concatenate([rest[::-1, 1], first[1:]])
    return alpha, peak[0] + jnp.sum(peaks[:, 0], 0), beta


def pair_probabilities(chain: Chain, left: Array, right: Array, live: Array) -> Array:
    """Return P(tag of a word, tag of the next word), (B, from, to).

    Args:
        chain: scores, nats.
        left: (B, t), the word's log alpha.
        right: (B, t), the next word's emissions and log beta.
        live: (B, 1) bool, True if the next word is within the length; otherwise the result is 0.
    """
    scores = left[..., None] + chain.transitions[None] + right[..., None, :]
    return jnp.where(live[..., None], softmax(scores, (-2, -1)), 0.0)


def log_partition(emissions: Array, chain: Chain, lengths: Array) -> Array:
    """Compute log Z of a batch: (B, n, t), chain, (B,) int32 -> (B,) nats.

    0 for length 0; ``-inf`` with a gradient of 0 if no sequence is allowed. Arguments are not checked.
    """
    emissions, inside = time_first(emissions, lengths)
    return _log_partition(*forward(emissions, chain, inside), chain, lengths)


def _log_partition(alpha: Array, peaks: Array, chain: Chain, lengths: Array) -> Array:
    """Compute log Z (B,) from log alpha (n, B, t) and the sum of its maxima (B,); 0 for length 0."""
    return jnp.where(lengths > 0, logsumexp(alpha[-1] + chain.end[None], -1) + peaks, 0.0)


def posterior(
    emissions: Array, chain: Chain, lengths: Array, *, transitions: bool, unroll: int | None = None
) -> Posterior:
    """Compute log Z, marginals and, if ``transitions``, expected transitions of a batch.

    Args:
        emissions: (B, n, t) float, nats.
        chain: transitions [from, to], start and end in nats.
        lengths: (B,) int32.
        transitions: compute the expected transitions; otherwise they are zeros.
        unroll: if None, work word by word, in little memory. Otherwise use few operations: one loop over both
            directions with ``unroll`` words an iteration, and all pairs of tags at once.

    Returns:
        ``Posterior``, with marginals (n, t, B). The expected transitions are all in ``rest``.
    """
    emissions, inside = time_first(emissions, lengths)
    if unroll is None:
        (alpha, peaks), beta = forward(emissions, chain, inside), backward(emissions, chain, inside)
    else:
        alpha, peaks, beta = _bidirectional(emissions, chain, inside, unroll)
    n, B, t = alpha.shape
    expected = jnp.zeros((B, t, t), alpha.dtype)
    if transitions:
        pairs = partial(pair_probabilities, chain)
        words = alpha[:-1], emissions[1:] + beta[1:], inside[1:]
        if unroll is None:
            expected, _ = jax.lax.scan(lambda total, word: (total + pairs(*word), None), expected, words)
        else:
            expected = jnp.sum(jax.vmap(pairs)(*words), 0)
    marginals = jnp.where(inside, softmax(alpha + beta, -1), 0.0)
    # ``scaled.posterior`` returns factors of these shapes, and one program holds both results.
    none = jnp.zeros((n if transitions else 0, t, B), alpha.dtype)
    return Posterior(
        _log_partition(alpha, peaks, chain, lengths),
        jnp.swapaxes(marginals, 1, 2),
        ExpectedTransitions(jnp.zeros((t, t), alpha.dtype), none, none, expected),
    )
