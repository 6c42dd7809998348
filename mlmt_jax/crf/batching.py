"""Functions of one sentence become functions over any leading axes."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mlmt_jax.crf.chain import Chain

__all__ = ["over_sentences"]


def over_sentences(one: Callable[..., Any], emissions, chain: Chain, lengths, *per_sentence) -> Any:
    """Calls ``one(emissions (n, t), chain, length, *rest)`` for every sentence of the leading axes.

    Args:
        one: a function of one sentence.
        emissions: (..., n, t) float.
        chain: shared by all sentences.
        lengths: (...) integer, words of each sentence.
        per_sentence: further arrays whose leading axes are those of ``lengths``.

    Returns:
        What ``one`` returns, with the leading axes in front of every array.

    Raises:
        ValueError: at trace time, on ranks or sizes that do not fit.
        TypeError: at trace time, on dtypes that do not fit.
    """
    emissions, lengths = jnp.asarray(emissions), jnp.asarray(lengths)
    chain = Chain(*map(jnp.asarray, chain))
    _check(emissions, chain, lengths)
    lead = lengths.shape
    if not lead:
        return one(emissions, chain, lengths, *per_sentence)
    flat = [
        x.reshape(-1, *x.shape[len(lead) :]) for x in (emissions, lengths, *map(jnp.asarray, per_sentence))
    ]
    out = jax.vmap(lambda e, length, *rest: one(e, chain, length, *rest))(*flat)
    return jax.tree.map(lambda x: x.reshape(*lead, *x.shape[1:]), out)


def _check(emissions: jax.Array, chain: Chain, lengths: jax.Array) -> None:
    if emissions.ndim < 2:
        raise ValueError(f"emissions have shape {emissions.shape}, expected (..., n, t)")
    t = emissions.shape[-1]
    for name, got, want in zip(Chain._fields, chain, ((t, t), (t,), (t,)), strict=True):
        if got.shape != want:
            raise ValueError(f"chain.{name} has shape {got.shape}, expected {want} for {t} tags")
    if lengths.shape != emissions.shape[:-2]:
        raise ValueError(
            f"lengths have shape {lengths.shape}, expected {emissions.shape[:-2]} as the emissions"
        )
    if not jnp.issubdtype(lengths.dtype, jnp.integer):
        raise TypeError(f"lengths are {lengths.dtype}, expected integers")
    if not jnp.issubdtype(emissions.dtype, jnp.floating):
        raise TypeError(f"emissions are {emissions.dtype}, expected floating point")
