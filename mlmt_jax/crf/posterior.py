"""What sums over all tag sequences give: log Z, marginals, and expected transitions; two ways to one answer.

``scaled`` is fast and says when it cannot be trusted, ``logspace`` always can. On a CPU the choice is made
once for a whole batch, also under ``vmap``, where a plain ``cond`` would run both. A GPU takes as long either
way, the time to start a few operations a word, and to choose would have the host wait: ``logspace`` it is.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

from mlmt_jax.crf import logspace, scaled
from mlmt_jax.crf.chain import Chain
from mlmt_jax.crf.messages import Posterior

__all__ = ["log_partition", "posterior"]

# Words in a turn of a GPU's loop over both ways: counting turns is an operation too.
_TURN = 4

# Floats of all pairs of tags in a batch; what is larger, a GPU sums word by word.
_MOST_AT_ONCE = 1 << 26


def _guarded(fast: Callable[..., tuple[Any, jax.Array]], sure: Callable[..., Any]) -> Callable[..., Any]:
    """``fast``, which returns (result, whether it is exact), or else ``sure``."""

    @custom_vmap
    def run(*args):
        result, exact = fast(*args)
        # A loop of at most one turn, since a cond would copy the result, into the layout of the other one.
        again = lambda state: (jnp.array(True), sure(*args))
        return jax.lax.while_loop(lambda state: ~state[0], again, (jnp.all(exact), result))[1]

    @run.def_vmap
    def _(size: int, batched, *args):
        axes = jax.tree.map(lambda is_batched: 0 if is_batched else None, tuple(batched))
        out = _guarded(jax.vmap(fast, axes), jax.vmap(sure, axes))(*args)
        return out, jax.tree.map(lambda _: True, out)

    return run


@jax.custom_jvp
def log_partition(emissions: jax.Array, chain: Chain, lengths: jax.Array) -> jax.Array:
    """Log Z of a batch: (B, n, t), chain, (B,) -> (B,) nats."""
    on_cpu = _guarded(scaled.log_partition, logspace.log_partition)
    return jax.lax.platform_dependent(emissions, chain, lengths, cpu=on_cpu, default=logspace.log_partition)


@log_partition.defjvp
def _(primals, tangents):
    emissions, chain, lengths = primals
    toward, chain_toward, _ = tangents
    value, marginals, moves = posterior(emissions, chain, lengths, moves=True)
    last = jnp.maximum(lengths - 1, 0)[None, None]
    final = jnp.take_along_axis(marginals, last, 0)[0]  # (t, B); 0 for a sentence of length 0
    marginals_of = jnp.transpose(marginals, (2, 0, 1))
    change = jnp.sum(marginals_of * toward, (1, 2)) + moves.dot(chain_toward.transitions)
    change += jnp.matmul(chain_toward.start, marginals[0], precision="highest")
    change += jnp.matmul(chain_toward.end, final, precision="highest")
    return value, change


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def posterior(emissions: jax.Array, chain: Chain, lengths: jax.Array, moves: bool) -> Posterior:
    """Log Z, marginals and, where ``moves``, expected transitions of a batch."""
    fast, sure = partial(scaled.posterior, moves=moves), partial(logspace.posterior, moves=moves)
    at_once = partial(logspace.posterior_at_once, moves=moves, turn=_TURN)
    on_gpu = at_once if emissions.size * emissions.shape[-1] <= _MOST_AT_ONCE else sure
    return jax.lax.platform_dependent(emissions, chain, lengths, cpu=_guarded(fast, sure), default=on_gpu)


@posterior.defjvp
def _(moves, primals, tangents):
    # Second derivatives are rare and take the way that differentiates plainly.
    emissions, chain, lengths = primals
    sure = lambda emissions, chain: logspace.posterior(emissions, chain, lengths, moves=moves)
    return jax.jvp(sure, (emissions, chain), tangents[:2])
