"""The best tag sequence of a linear chain, and its k best tag sequences."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from mlmt_jax.crf.axes import Sentences, batch_last, over_batch
from mlmt_jax.crf.chain import Chain

# Up to this many tags, the maximum over the previous tag is unrolled into vector operations over the batch:
# four times as fast on a CPU as a reduction at 100 tags. Compiling takes a second more at 128 tags.
_UNROLLED_TAGS = 128

# Partial maxima, each of every eighth tag: in a single chain of maxima each operation waits for the last one.
_PARTIAL_MAXIMA = 8


def viterbi(emissions: ArrayLike, chain: Chain, lengths: ArrayLike) -> tuple[Array, Array]:
    """Find the tag sequence with the highest score, and that score (Viterbi 1967).

    The forward pass keeps only the maxima; the argmax is computed again along the best path. Of equal
    sequences, the one with the lowest tags wins, compared from the last word backwards.

    Args:
        emissions: (..., n, t) float, nats, n and t at least 1.
        chain: transitions (t, t), [from, to], start (t,), end (t,), nats; ``-inf`` forbids.
        lengths: (...) integer, in [0, n]; not checked.

    Returns:
        tags: (..., n) int32; 0 beyond the length, undefined if no sequence is allowed.
        scores: (...) nats, not normalized by log Z; 0 for length 0, ``-inf`` if no sequence is allowed.

    Raises:
        ValueError: if shapes do not fit each other, or n or t is 0.
        TypeError: if scores are not floating point or lengths are not integers.
    """
    return over_batch(_viterbi, Sentences(emissions, chain, lengths))


def k_best(emissions: ArrayLike, chain: Chain, lengths: ArrayLike, k: int) -> tuple[Array, Array]:
    """Find the k different tag sequences with the highest scores, and these scores.

    Viterbi's maxima are the exact cost of completing a suffix. So the k best suffixes at each word, from the
    last word backwards, contain those of the k best sequences (tree-trellis search, Soong & Huang 1991).

    Args:
        emissions: (..., n, t) float, nats, n and t at least 1.
        chain: transitions (t, t), [from, to], start (t,), end (t,), nats; ``-inf`` forbids.
        lengths: (...) integer, in [0, n]; not checked.
        k: number of sequences, at least 1; static.

    Returns:
        tags: (..., k, n) int32; 0 beyond the length, undefined if the score is ``-inf``.
        scores: (..., k) nats, not normalized by log Z, descending; ``-inf`` if fewer sequences exist. Length
            0 has one, of score 0.

    Raises:
        ValueError: if k is below 1, or shapes do not fit each other, or n or t is 0.
        TypeError: if k or lengths are not integers, or scores are not floating point.
    """
    if not isinstance(k, int | np.integer):
        raise TypeError(f"k is {k}, expected an integer")
    if k < 1:
        raise ValueError(f"k is {k}, expected 1 or more")
    return over_batch(_k_best, Sentences(emissions, chain, lengths), k=k)


def _step(best: Array, transitions: Array) -> Array:
    """Compute max over "from" of best (from, B) + transitions (from, to): (to, B)."""
    if len(best) > _UNROLLED_TAGS:
        return jnp.max(best[:, None] + transitions[..., None], 0)
    terms = [best[i : i + 1] + transitions[i][:, None] for i in range(len(best))]
    parts = [terms[first::_PARTIAL_MAXIMA] for first in range(min(_PARTIAL_MAXIMA, len(terms)))]
    return functools.reduce(_larger, [functools.reduce(_larger, part) for part in parts])


def _larger(a: Array, b: Array) -> Array:
    """Return the larger of two arrays, elementwise; b where either is NaN."""
    # One instruction of a CPU; jnp.maximum, which returns NaN, takes several.
    return jnp.where(a > b, a, b)


def _argmax(scores: Array) -> Array:
    """Return the first tag with the highest score: (t, B) -> (B,) int32."""
    if len(scores) > _UNROLLED_TAGS:
        return jnp.argmax(scores, 0).astype(jnp.int32)
    highest, tag = scores[0], jnp.zeros(scores.shape[1:], jnp.int32)
    for i in range(1, len(scores)):
        tag = jnp.where(scores[i] > highest, i, tag)
        highest = jnp.maximum(highest, scores[i])
    return tag


def _maxima(emissions: Array, chain: Chain, inside: Array) -> Array:
    """Return the score of the best prefix that ends in each tag, (n, t, B); constant beyond the length.

    Args:
        emissions: (n, t, B) nats.
        chain: scores, nats. The scores of the end are not added.
        inside: (n, 1, B) bool, True for words within the length.
    """

    def step(best, word):
        emission, live = word
        best = jnp.where(live, _step(best, chain.transitions) + emission, best)
        return best, best

    first = chain.start[:, None] + emissions[0]
    _, rest = jax.lax.scan(step, first, (emissions[1:], inside[1:]))
    return jnp.concatenate([first[None], rest])


def _viterbi(emissions: Array, chain: Chain, lengths: Array) -> tuple[Array, Array]:
    """Compute ``viterbi`` of a batch: (B, n, t), chain, (B,) -> tags (B, n) int32, scores (B,)."""
    emissions, inside = batch_last(emissions, lengths)
    best = _maxima(emissions, chain, inside)
    final = best[-1] + chain.end[:, None]
    last = _argmax(final)

    def step(following, word):
        scores, live = word  # of this word; True if the next word is within the length
        tag = _argmax(scores + chain.transitions[:, following])
        tag = jnp.where(live, tag, last)  # the last word within the length gets the last tag
        return tag, tag

    _, tags = jax.lax.scan(step, last, (best[:-1], inside[1:, 0]), reverse=True)
    tags = jnp.where(inside[:, 0], jnp.concatenate([tags, last[None]]), 0)
    return tags.T, jnp.where(lengths > 0, jnp.max(final, 0), 0.0)


def _highest(totals: Array, k: int) -> tuple[Array, Array]:
    """Return the k highest of (B, candidates), descending, and their indices, (B, k) each.

    If there are fewer than k candidates, the rest is ``-inf``, with indices beyond the candidates.
    """
    missing = max(0, k - totals.shape[1])
    return jax.lax.top_k(jnp.pad(totals, ((0, 0), (0, missing)), constant_values=-jnp.inf), k)


def _k_best(emissions: Array, chain: Chain, lengths: Array, *, k: int) -> tuple[Array, Array]:
    """Compute ``k_best`` of a batch: (B, n, t), chain, (B,) -> tags (B, k, n) int32, scores (B, k)."""
    emissions, inside = batch_last(emissions, lengths)
    # Subtract from each word what it adds to the best total, so that totals stay near 0. Otherwise those of a
    # long sentence are too large for float32 to distinguish them.
    peaks = jax.lax.stop_gradient(jnp.max(_maxima(emissions, chain, inside), 1, keepdims=True))
    rises = jnp.diff(peaks, axis=0, prepend=jnp.zeros_like(peaks[:1]))
    emissions = emissions - jnp.where(jnp.isfinite(rises), rises, 0.0)
    best = _maxima(emissions, chain, inside)
    best, emissions, inside = (jnp.swapaxes(x, 1, 2) for x in (best, emissions, inside))
    _, B, t = best.shape
    into = chain.transitions.T

    totals, tags = _highest(best[-1] + chain.end[None], k)
    # A suffix score: what a suffix adds to the best prefix that ends in the suffix's first tag.
    suffix = jnp.where(jnp.isneginf(totals), -jnp.inf, chain.end[tags % t])
    rank = jnp.broadcast_to(jnp.arange(k)[None], (B, k))

    def step(state, word):
        tags, suffix, _ = state  # (B, k): first tag, suffix score, total with the best prefix
        scores, emission, live = word  # of the word before; of this word; True if this word is within
        from_tag = jnp.take_along_axis(emission, tags, 1) + suffix
        extended = into[tags] + from_tag[..., None]  # (B, k, from)
        reached, chosen = _highest((scores[:, None] + extended).reshape(B, k * t), k)
        parent, tag = chosen // t, (chosen % t).astype(jnp.int32)
        extended = jnp.take_along_axis(extended.reshape(B, k * t), chosen, 1)
        extended = jnp.where(jnp.isneginf(reached), -jnp.inf, extended)
        following = tag, extended, reached
        state = tuple(jnp.where(live, x, y) for x, y in zip(following, state, strict=True))
        return state, (tags, jnp.where(live, parent, rank))

    start = ((tags % t).astype(jnp.int32), suffix, totals)
    words = (best[:-1], emissions[1:], inside[1:])
    (first, _, totals), (rest, parents) = jax.lax.scan(step, start, words, reverse=True)

    def read(current, word):  # forward from the first word, from each suffix to its parent
        tags, parent = word
        current = jnp.take_along_axis(parent, current, 1)
        return current, jnp.take_along_axis(tags, current, 1)

    _, others = jax.lax.scan(read, rank, (rest, parents))
    paths = jnp.where(inside, jnp.concatenate([first[None], others]), 0)  # (n, B, k)
    totals = totals + jnp.where(jnp.isfinite(peaks[-1, 0]), peaks[-1, 0], 0.0)[:, None]
    empty = jnp.where(jnp.arange(k) == 0, 0.0, -jnp.inf).astype(totals.dtype)[None]
    return jnp.moveaxis(paths, 0, 2), jnp.where(lengths[:, None] > 0, totals, empty)
