"""Functions of one sentence become functions over any leading axes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from mlmt_jax.crf.chain import Chain

__all__ = ["over_sentences"]


def over_sentences(one: Callable[..., Any], emissions, chain: Chain, lengths, tags=None) -> Any:
    """Calls ``one(emissions (n, t), chain, length[, tags (n,)])`` for every sentence of the leading axes.

    Emissions and chain are brought to their common dtype, at least float32.

    Args:
        one: a function of one sentence; defined once, since a program is compiled for each such object.
        emissions: (..., n, t) float.
        chain: shared by all sentences.
        lengths: (...) integer, words of each sentence.
        tags: (..., n) integer, or None where ``one`` takes none.

    Returns:
        What ``one`` returns, with the leading axes in front of every array.

    Raises:
        ValueError: at trace time, on ranks or sizes that do not fit.
        TypeError: at trace time, on dtypes that do not fit.
    """
    emissions, lengths = jnp.asarray(emissions), jnp.asarray(lengths)
    chain = Chain(*map(jnp.asarray, chain))
    sequences = [] if tags is None else [jnp.asarray(tags)]
    _check(emissions, chain, lengths, *sequences)
    dtype = jnp.result_type(jnp.float32, emissions, *chain)
    chain = Chain(*(scores.astype(dtype) for scores in chain))
    return _mapped(one, emissions.astype(dtype), chain, lengths, *sequences)


@partial(jax.jit, static_argnums=0)  # without it, a call outside of jit compiles its scans every time
def _mapped(one: Callable[..., Any], emissions, chain: Chain, lengths, *sequences) -> Any:
    for _ in lengths.shape:
        one = jax.vmap(one, (0, None, 0, *(0 for _ in sequences)))
    return one(emissions, chain, lengths, *sequences)


def _check(emissions: jax.Array, chain: Chain, lengths: jax.Array, tags: jax.Array | None = None) -> None:
    if emissions.ndim < 2 or 0 in emissions.shape[-2:]:
        raise ValueError(f"emissions have shape {emissions.shape}, expected (..., n, t), n and t at least 1")
    t = emissions.shape[-1]
    for name, got, want in zip(Chain._fields, chain, ((t, t), (t,), (t,)), strict=True):
        if got.shape != want:
            raise ValueError(f"chain.{name} has shape {got.shape}, expected {want} for {t} tags")
    expected = {"lengths": (lengths, emissions.shape[:-2])}
    if tags is not None:
        expected["tags"] = (tags, emissions.shape[:-1])
    for name, (got, want) in expected.items():
        if got.shape != want:
            raise ValueError(f"{name} have shape {got.shape}, expected {want} as the emissions")
        if not jnp.issubdtype(got.dtype, jnp.integer):
            raise TypeError(f"{name} are {got.dtype}, expected integers")
    if not jnp.issubdtype(emissions.dtype, jnp.floating):
        raise TypeError(f"emissions are {emissions.dtype}, expected floating point")
