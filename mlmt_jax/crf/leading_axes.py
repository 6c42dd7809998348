"""Any leading axes become one batch axis, checked; the functions below see (B, n, t) alone."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from mlmt_jax.crf.chain import Chain

__all__ = ["over_batch"]

_WORDS = {jnp.integer: "integers", jnp.bool_: "booleans"}


def over_batch(
    function: Callable[..., Any],
    emissions,
    chain: Chain,
    lengths,
    *,
    tags=None,
    allowed=None,
    shared: tuple = (),
    **static,
) -> Any:
    """Calls ``function(emissions (B, n, t), chain, lengths (B,), tags or allowed if given, *shared)``.

    Emissions and chain are brought to their common dtype, at least float32; lengths and tags to int32.

    Args:
        function: of one batch; defined once, since a program is compiled for each such object.
        emissions: (..., n, t) float.
        chain: shared by all sentences.
        lengths: (...) integer, words of each sentence.
        tags: (..., n) integer.
        allowed: (..., n, t) bool.
        shared: further arrays that have no batch axis.
        static: further arguments of ``function`` that are part of the program.

    Returns:
        What ``function`` returns; arrays that begin with the batch axis get the leading axes back.

    Raises:
        ValueError: at trace time, on ranks or sizes that do not fit.
        TypeError: at trace time, on dtypes that do not fit.
    """
    emissions, lengths = jnp.asarray(emissions), jnp.asarray(lengths)
    chain = Chain(*map(jnp.asarray, chain))
    _check_scores(emissions, chain)
    lead, n, t = emissions.shape[:-2], *emissions.shape[-2:]
    _check("lengths", lengths, lead, jnp.integer)
    others = []
    if tags is not None:
        _check("tags", tags := jnp.asarray(tags), (*lead, n), jnp.integer)
        others.append(tags.astype(jnp.int32))
    if allowed is not None:
        _check("allowed", allowed := jnp.asarray(allowed), (*lead, n, t), jnp.bool_)
        others.append(allowed)
    dtype = jnp.result_type(jnp.float32, emissions, *chain)
    emissions, chain = jax.tree.map(lambda scores: scores.astype(dtype), (emissions, chain))
    lengths = lengths.astype(jnp.int32)  # of unsigned ones, 0 - 1 would be large
    return _flat(function, tuple(static.items()), emissions, chain, lengths, others, shared)


@partial(jax.jit, static_argnums=(0, 1))  # without it, a call outside of jit compiles its scans every time
def _flat(function, static, emissions, chain, lengths, others, shared):
    lead = lengths.shape
    batch = lambda x: x.reshape(-1, *x.shape[len(lead) :])
    out = function(batch(emissions), chain, batch(lengths), *map(batch, others), *shared, **dict(static))
    return jax.tree.map(lambda x: x.reshape(*lead, *x.shape[1:]), out)


def _check_scores(emissions: jax.Array, chain: Chain) -> None:
    if emissions.ndim < 2 or 0 in emissions.shape[-2:]:
        raise ValueError(f"emissions have shape {emissions.shape}, expected (..., n, t), n and t at least 1")
    if not jnp.issubdtype(emissions.dtype, jnp.floating):
        raise TypeError(f"emissions are {emissions.dtype}, expected floating point")
    t = emissions.shape[-1]
    for name, scores, want in zip(Chain._fields, chain, ((t, t), (t,), (t,)), strict=True):
        if scores.shape != want:
            raise ValueError(f"chain.{name} has shape {scores.shape}, expected {want} for {t} tags")
        if not jnp.issubdtype(scores.dtype, jnp.floating):
            raise TypeError(f"chain.{name} is {scores.dtype}, expected floating point")


def _check(name: str, x: jax.Array, shape: tuple[int, ...], kind: Any) -> None:
    if x.shape != shape:
        raise ValueError(f"{name} have shape {x.shape}, expected {shape} as the emissions")
    if not jnp.issubdtype(x.dtype, kind):
        raise TypeError(f"{name} are {x.dtype}, expected {_WORDS[kind]}")
