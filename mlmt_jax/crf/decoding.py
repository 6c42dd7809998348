"""The best tag sequence of a linear chain."""

import jax
import jax.numpy as jnp

from mlmt_jax.crf.batching import over_sentences
from mlmt_jax.crf.chain import Chain

__all__ = ["viterbi"]


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
    return over_sentences(_viterbi, emissions, chain, lengths)


def _viterbi(emissions: jax.Array, chain: Chain, length: jax.Array) -> tuple[jax.Array, jax.Array]:
    word = jnp.arange(emissions.shape[0])

    def forward(best, now):  # best (t,)
        emission, i = now
        reached = jnp.max(best[:, None] + chain.transitions, 0) + emission
        best = jnp.where(i < length, reached, best)
        return best, best

    first = emissions[0] + chain.start
    last, rest = jax.lax.scan(forward, first, (emissions[1:], word[1:]))
    best = jnp.concatenate([first[None], rest])  # (n, t)
    final = last + chain.end

    def backward(following, now):
        scores, i = now
        inner = jnp.argmax(scores + chain.transitions[:, following])
        tag = jnp.where(i == length - 1, jnp.argmax(final), inner)
        tag = jnp.where(i < length, tag, 0).astype(jnp.int32)
        return tag, tag

    _, tags = jax.lax.scan(backward, jnp.int32(0), (best, word), reverse=True)
    return tags, jnp.where(length > 0, jnp.max(final), 0.0)
