"""Tag sequences drawn from the distribution that a linear chain defines."""

from math import prod

import jax
import jax.numpy as jnp

from mlmt_jax.crf import logspace
from mlmt_jax.crf.chain import Chain
from mlmt_jax.crf.leading_axes import over_batch
from mlmt_jax.crf.messages import time_first

__all__ = ["sample"]


def sample(key: jax.Array, emissions, chain: Chain, lengths, shape: tuple[int, ...] = ()) -> jax.Array:
    """Independent draws from P(tags | emissions), by forward filtering and backward sampling.

    Args:
        key: a PRNG key.
        emissions: (..., n, t) float, nats.
        chain: transitions (t, t), start (t,), end (t,), nats; ``-inf`` forbids.
        lengths: (...) int32.
        shape: of the draws; static.

    Returns:
        tags, shape + (..., n) int32, 0 beyond the length; they mean nothing where no sequence is allowed.
    """
    tags = over_batch(_sample, emissions, chain, lengths, shared=(key,), draws=prod(shape))  # (..., draws, n)
    return jnp.moveaxis(tags, -2, 0).reshape(*shape, *tags.shape[:-2], tags.shape[-1])


def _sample(
    emissions: jax.Array, chain: Chain, lengths: jax.Array, key: jax.Array, *, draws: int
) -> jax.Array:
    emissions, inside = time_first(emissions, lengths)
    alpha, _ = logspace.forward(emissions, chain, inside)
    n, B, _ = emissions.shape
    into = chain.transitions.T  # [to, from]
    keys = jax.random.split(key, n)
    last = jax.random.categorical(keys[0], alpha[-1] + chain.end[None], shape=(draws, B)).astype(jnp.int32)

    def step(following, now):  # (draws, B)
        key, scores, live = now
        tag = jax.random.categorical(key, scores[None] + into[following]).astype(jnp.int32)
        tag = jnp.where(live[None], tag, last)
        return tag, tag

    _, tags = jax.lax.scan(step, last, (keys[1:], alpha[:-1], inside[1:, :, 0]), reverse=True)
    tags = jnp.concatenate([tags, last[None]])  # (n, draws, B)
    return jnp.moveaxis(jnp.where(inside.reshape(n, 1, B), tags, 0), (0, 2), (2, 0))
