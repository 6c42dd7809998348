"""Random tag sequences from the distribution of a linear chain."""

from math import prod

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mlmt_jax.crf import logspace
from mlmt_jax.crf.axes import Sentences, over_batch, time_first
from mlmt_jax.crf.chain import Chain


def sample(
    key: Array, emissions: ArrayLike, chain: Chain, lengths: ArrayLike, shape: tuple[int, ...] = ()
) -> Array:
    """Draw independent tag sequences from P(tags | emissions), by forward filtering and backward sampling.

    Args:
        key: one PRNG key, for all sentences and draws.
        emissions: (..., n, t) float, nats, n and t at least 1.
        chain: transitions (t, t), [from, to], start (t,), end (t,), nats; ``-inf`` forbids.
        lengths: (...) integer, in [0, n]; not checked.
        shape: shape of the draws of each sentence, () for one draw; static, so each shape compiles a program.

    Returns:
        tags, shape + (..., n) int32: the axes of ``shape`` come first. 0 beyond the length, undefined if no
        sequence is allowed.

    Raises:
        ValueError: if shapes do not fit each other, or n or t is 0.
        TypeError: if scores are not floating point or lengths are not integers.
    """
    tags = over_batch(_sample, Sentences(emissions, chain, lengths), (key,), draws=prod(shape))
    return jnp.moveaxis(tags, -2, 0).reshape(*shape, *tags.shape[:-2], tags.shape[-1])


def _sample(emissions: Array, chain: Chain, lengths: Array, key: Array, *, draws: int) -> Array:
    """Draw ``draws`` tag sequences of each sentence: (B, n, t), chain, (B,), key -> (B, draws, n) int32."""
    emissions, inside = time_first(emissions, lengths)
    alpha, _ = logspace.forward(emissions, chain, inside)
    n, B, _ = emissions.shape
    into = chain.transitions.T  # [to, from]
    keys = jax.random.split(key, n)
    last = jax.random.categorical(keys[0], alpha[-1] + chain.end[None], shape=(draws, B)).astype(jnp.int32)

    def step(following, word):  # tags (draws, B)
        key, scores, live = word
        tag = jax.random.categorical(key, scores[None] + into[following]).astype(jnp.int32)
        tag = jnp.where(live[None], tag, last)
        return tag, tag

    _, tags = jax.lax.scan(step, last, (keys[1:], alpha[:-1], inside[1:, :, 0]), reverse=True)
    tags = jnp.concatenate([tags, last[None]])  # (n, draws, B)
    return jnp.moveaxis(jnp.where(inside.reshape(n, 1, B), tags, 0), (0, 2), (2, 0))
