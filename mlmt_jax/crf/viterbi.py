"""The best tag sequence of a linear chain, and the k best ones."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from mlmt_jax.crf.chain import Chain
from mlmt_jax.crf.leading_axes import over_batch
from mlmt_jax.crf.messages import batch_last

__all__ = ["k_best", "viterbi"]

# Up to so many tags the maximum over the tag before is written out: a chain of vector operations over the
# batch, up to four times as fast on a CPU as a reduction.
_WRITTEN_OUT = 64

# Several maxima at once, of every fourth tag each: an operation of a single one would wait for the last.
_AT_ONCE = 4


def viterbi(emissions, chain: Chain, lengths) -> tuple[jax.Array, jax.Array]:
    """The tag sequence of the highest score (Viterbi 1967), and that score.

    Only the maxima are kept; the argmax is taken again along the one best path. Of equal paths the
    one with the lowest tags, compared from the end, wins.

    Args:
        emissions: (..., n, t) float, nats.
        chain: transitions (t, t), start (t,), end (t,), nats; ``-inf`` forbids.
        lengths: (...) int32.

    Returns:
        tags (..., n) int32, 0 beyond the length; scores (...) nats, 0 for length 0, ``-inf`` where
        no sequence is allowed (the tags mean nothing then).
    """
    return over_batch(_viterbi, emissions, chain, lengths)


def k_best(emissions, chain: Chain, lengths, k: int) -> tuple[jax.Array, jax.Array]:
    """The k tag sequences of the highest scores, all different.

    Viterbi's maxima are the exact cost of completing a suffix, so the k best suffixes at each word, from
    the end, hold those of the k best sequences (the tree-trellis search of Soong & Huang 1991).

    Args:
        emissions: (..., n, t) float, nats.
        chain: transitions (t, t), start (t,), end (t,), nats; ``-inf`` forbids.
        lengths: (...) int32.
        k: at least 1; static.

    Returns:
        tags (..., k, n) int32, 0 beyond the length; scores (..., k) nats, descending, ``-inf`` where
        fewer sequences exist (length 0 has one: no tags, score 0).

    Raises:
        ValueError: where k is below 1.
        TypeError: where k is not an integer.
    """
    if not isinstance(k, int | np.integer):
        raise TypeError(f"k is {k}, expected an integer")
    if k < 1:
        raise ValueError(f"k is {k}, expected 1 or more")
    return over_batch(_k_best, emissions, chain, lengths, k=k)


def _step(best: jax.Array, transitions: jax.Array) -> jax.Array:
    """Max over "from" of best (from, B) + transitions (from, to): (to, B)."""
    if len(best) > _WRITTEN_OUT:
        return jnp.max(best[:, None] + transitions[..., None], 0)
    terms = [best[i : i + 1] + transitions[i][:, None] for i in range(len(best))]
    parts = [terms[first::_AT_ONCE] for first in range(min(_AT_ONCE, len(terms)))]
    return functools.reduce(jnp.maximum, [functools.reduce(jnp.maximum, part) for part in parts])


def _argmax(scores: jax.Array) -> jax.Array:
    """The first highest of scores (t, B): (B,) int32."""
    if len(scores) > _WRITTEN_OUT:
        return jnp.argmax(scores, 0).astype(jnp.int32)
    highest, tag = scores[0], jnp.zeros(scores.shape[1:], jnp.int32)
    for i in range(1, len(scores)):
        tag = jnp.where(scores[i] > highest, i, tag)
        highest = jnp.maximum(highest, scores[i])
    return tag


def _maxima(emissions: jax.Array, chain: Chain, inside: jax.Array) -> jax.Array:
    """Scores of the best beginnings that end in each tag, (n, t, B); constant behind the length."""

    def step(best, now):
        emission, live = now
        best = jnp.where(live, _step(best, chain.transitions) + emission, best)
        return best, best

    first = chain.start[:, None] + emissions[0]
    _, rest = jax.lax.scan(step, first, (emissions[1:], inside[1:]))
    return jnp.concatenate([first[None], rest])


def _viterbi(emissions: jax.Array, chain: Chain, lengths: jax.Array) -> tuple[jax.Array, jax.Array]:
    emissions, inside = batch_last(emissions, lengths)
    best = _maxima(emissions, chain, inside)
    final = best[-1] + chain.end[:, None]
    last = _argmax(final)

    def step(following, now):
        scores, live = now
        tag = _argmax(scores + chain.transitions[:, following])
        tag = jnp.where(live, tag, last)  # the word before the first that lies beyond takes the last tag
        return tag, tag

    _, tags = jax.lax.scan(step, last, (best[:-1], inside[1:, 0]), reverse=True)
    tags = jnp.where(inside[:, 0], jnp.concatenate([tags, last[None]]), 0)
    return tags.T, jnp.where(lengths > 0, jnp.max(final, 0), 0.0)


def _k_best(emissions: jax.Array, chain: Chain, lengths: jax.Array, *, k: int) -> tuple[jax.Array, jax.Array]:
    emissions, inside = batch_last(emissions, lengths)
    by_sentence = lambda x: jnp.swapaxes(x, 1, 2)
    # Less what each word adds to the best total, so that totals stay near 0: in float32 those of a long
    # sentence would lie too far from 0 to be told apart.
    peaks = jax.lax.stop_gradient(jnp.max(_maxima(emissions, chain, inside), 1, keepdims=True))
    rises = jnp.diff(peaks, axis=0, prepend=jnp.zeros_like(peaks[:1]))
    emissions = emissions - jnp.where(jnp.isfinite(rises), rises, 0.0)
    best = by_sentence(_maxima(emissions, chain, inside))
    emissions, inside = by_sentence(emissions), by_sentence(inside)
    _, B, t = best.shape
    into = chain.transitions.T

    def keep(totals: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The k highest of (B, candidates), filled up with -inf, and which candidates they are."""
        missing = max(0, k - totals.shape[1])
        totals = jnp.pad(totals, ((0, 0), (0, missing)), constant_values=-jnp.inf)
        return jax.lax.top_k(totals, k)

    totals, tags = keep(best[-1] + chain.end[None])
    # What a suffix adds to the best beginning that ends in its first tag.
    suffix = jnp.where(jnp.isneginf(totals), -jnp.inf, chain.end[tags % t])
    rank = jnp.broadcast_to(jnp.arange(k)[None], (B, k))

    def step(state, now):
        tags, suffix, totals = state  # (B, k): first tag, score behind the tag's own beginning, best total
        scores, emission, live = now  # of the word before, of this word, whether this word is within
        own = jnp.take_along_axis(emission, tags, 1) + suffix
        ahead = into[tags] + own[..., None]  # (B, k, from)
        reached, chosen = keep((scores[:, None] + ahead).reshape(B, k * t))
        parent, tag = chosen // t, (chosen % t).astype(jnp.int32)
        behind = jnp.take_along_axis(ahead.reshape(B, k * t), chosen, 1)
        behind = jnp.where(jnp.isneginf(reached), -jnp.inf, behind)
        state = (
            jnp.where(live, tag, tags),
            jnp.where(live, behind, suffix),
            jnp.where(live, reached, totals),
        )
        return state, (tags, jnp.where(live, parent, rank))

    start = ((tags % t).astype(jnp.int32), suffix, totals)
    words = (best[:-1], emissions[1:], inside[1:])
    (first, _, totals), (rest, parents) = jax.lax.scan(step, start, words, reverse=True)

    def read(current, now):  # from the first word on, along the parents
        tags, parent = now
        current = jnp.take_along_axis(parent, current, 1)
        return current, jnp.take_along_axis(tags, current, 1)

    _, others = jax.lax.scan(read, rank, (rest, parents))
    paths = jnp.where(inside, jnp.concatenate([first[None], others]), 0)  # (n, B, k)
    totals = totals + jnp.where(jnp.isfinite(peaks[-1, 0]), peaks[-1, 0], 0.0)[:, None]
    nothing = jnp.where(jnp.arange(k) == 0, 0.0, -jnp.inf).astype(totals.dtype)[None]
    return jnp.moveaxis(paths, 0, 2), jnp.where(lengths[:, None] > 0, totals, nothing)
