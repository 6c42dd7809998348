"""log Z, marginals and expected transitions of a batch, by the faster recursion that is exact for it.

On a CPU ``scaled`` runs first and reports whether its result is exact; if it is not, ``logspace`` runs. The
choice is made once for a whole batch, also under ``vmap``, where a plain ``cond`` would run both. A GPU runs
``logspace`` only: starting a few operations a word takes as long either way, and a choice stalls the host.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_batching import custom_vmap

from mlmt_jax.crf import logspace, scaled
from mlmt_jax.crf.chain import Chain
from mlmt_jax.crf.expectations import Posterior

# Words in one iteration of a GPU's loop: to count iterations is an operation too.
_UNROLL = 4

# Floats in the array of all pairs of tags. For a larger array, a GPU sums word by word.
_MOST_AT_ONCE = 1 << 26


def _with_fallback(fast: Callable[..., tuple[Any, Array]], exact: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that gives the result of ``fast``, or that of ``exact`` if ``fast`` is inexact.

    The choice is for the whole batch: under ``vmap`` too, ``exact`` runs for all or for none.

    Args:
        fast: returns (result, () bool, True if the result is exact).
        exact: takes the same arguments; returns a result of the same structure, shapes and dtypes.

    Returns:
        A function of the same positional arguments. It cannot be differentiated in reverse mode.
    """

    @custom_vmap
    def run(*args):
        result, is_exact = fast(*args)
        # A loop of at most one iteration: a cond would copy the result into the layout of the other branch.
        repeat = lambda state: (jnp.array(True), exact(*args))
        return jax.lax.while_loop(lambda state: ~state[0], repeat, (jnp.all(is_exact), result))[1]

    @run.def_vmap
    def _(size: int, batched, *args):
        axes = jax.tree.map(lambda is_batched: 0 if is_batched else None, tuple(batched))
        out = _with_fallback(jax.vmap(fast, axes), jax.vmap(exact, axes))(*args)
        return out, jax.tree.map(lambda _: True, out)

    return run


@jax.custom_jvp
def log_partition(emissions: Array, chain: Chain, lengths: Array) -> Array:
    """Compute log Z of a batch: (B, n, t), chain, (B,) int32 -> (B,) nats. Its gradients are expectations.

    0 for length 0; ``-inf`` with a gradient of 0 if no sequence is allowed. Arguments are not checked.
    """
    on_cpu = _with_fallback(scaled.log_partition, logspace.log_partition)
    return jax.lax.platform_dependent(emissions, chain, lengths, cpu=on_cpu, default=logspace.log_partition)


@log_partition.defjvp
def _(primals, tangents):
    """Compute log Z and its tangent from marginals and expected transitions; lengths have no tangent."""
    emissions, chain, lengths = primals
    emission_tangents, chain_tangents, _ = tangents
    log_z, marginals, transitions = posterior(emissions, chain, lengths, transitions=True)
    last = jnp.maximum(lengths - 1, 0)[None, None]
    final = jnp.take_along_axis(marginals, last, 0)[0]  # (t, B); 0 for a sentence of length 0
    by_sentence = jnp.transpose(marginals, (2, 0, 1))
    change = jnp.sum(by_sentence * emission_tangents, (1, 2)) + transitions.dot(chain_tangents.transitions)
    change += jnp.matmul(chain_tangents.start, marginals[0], precision="highest")
    change += jnp.matmul(chain_tangents.end, final, precision="highest")
    return log_z, change


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def posterior(emissions: Array, chain: Chain, lengths: Array, transitions: bool) -> Posterior:
    """Compute log Z, marginals and, if ``transitions``, expected transitions of a batch.

    Args:
        emissions: (B, n, t) float, nats.
        chain: transitions [from, to], start and end in nats, of the dtype of the emissions.
        lengths: (B,) int32.
        transitions: static; if False, the expected transitions are zeros.

    Returns:
        ``Posterior``. Its marginals are (n, t, B), so the batch is the last axis.
    """
    fast, exact = (partial(way.posterior, transitions=transitions) for way in (scaled, logspace))
    on_cpu = _with_fallback(fast, exact)
    all_pairs = emissions.size * emissions.shape[-1]
    on_gpu = partial(exact, unroll=_UNROLL) if all_pairs <= _MOST_AT_ONCE else exact
    return jax.lax.platform_dependent(emissions, chain, lengths, cpu=on_cpu, default=on_gpu)


@posterior.defjvp
def _(transitions, primals, tangents):
    # Second derivatives are rare. They differentiate the recursion that needs no rule of its own.
    """Compute the posterior and its tangents by the recursion of ``logspace``."""
    emissions, chain, lengths = primals
    exact = lambda emissions, chain: logspace.posterior(emissions, chain, lengths, transitions=transitions)
    return jax.jvp(exact, (emissions, chain), tangents[:2])
