"""The axes of arguments: checks, any leading axes as one batch axis, and the two layouts of the recursions.

Public functions take (..., n, t); private ones take one batch (B, n, t).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mlmt_jax.crf.chain import Chain

# By the kind of an argument: its name in messages, and the dtype that it is cast to.
_KINDS = {jnp.integer: ("integers", jnp.int32), jnp.bool_: ("booleans", jnp.bool_)}


class Sentences(NamedTuple):
    """Arguments of a public function: arrays with any leading axes, and one chain for all sentences."""

    emissions: ArrayLike  # (..., n, t) float
    chain: Chain
    lengths: ArrayLike  # (...) integer, number of words of each sentence
    tags: ArrayLike | None = None  # (..., n) integer
    allowed: ArrayLike | None = None  # (..., n, t) bool


def over_batch(function: Callable[..., Any], sentences: Sentences, shared: tuple = (), **static: Any) -> Any:
    """Call ``function`` on sentences whose leading axes are flattened to one batch axis B.

    The call is ``function(emissions, chain, lengths, [tags], [allowed], *shared, **static)``, compiled by
    jit; arguments in brackets are left out if ``sentences`` has None. Emissions and chain are cast to their
    common dtype, at least float32. Lengths and tags are cast to int32. Values are not checked: tags in [0, t)
    and lengths in [0, n] are the caller's duty.

    Args:
        function: takes one batch. It must be a module-level function, because jit caches by its identity.
        sentences: the arguments as the caller passed them.
        shared: further arrays that have no batch axis.
        static: further keyword arguments of ``function``, hashable; each value compiles a program.

    Returns:
        The result of ``function``, with the leading axes in place of its first axis, B, in every array.

    Raises:
        ValueError: at trace time, if a rank or a size does not fit, or n or t is 0.
        TypeError: at trace time, if a dtype does not fit.
    """
    emissions, chain = jnp.asarray(sentences.emissions), Chain(*map(jnp.asarray, sentences.chain))
    _check_scores(emissions, chain)
    lead, n, t = emissions.shape[:-2], *emissions.shape[-2:]
    per_sentence = [_checked("lengths", sentences.lengths, lead, jnp.integer)]
    if sentences.tags is not None:
        per_sentence.append(_checked("tags", sentences.tags, (*lead, n), jnp.integer))
    if sentences.allowed is not None:
        per_sentence.append(_checked("allowed", sentences.allowed, (*lead, n, t), jnp.bool_))
    dtype = jnp.result_type(jnp.float32, emissions, *chain)
    emissions, chain = jax.tree.map(lambda scores: scores.astype(dtype), (emissions, chain))
    return _call_flat(function, tuple(static.items()), emissions, chain, per_sentence, shared)


# Without jit, every call outside of a compiled function would compile its scans again.
@partial(jax.jit, static_argnums=(0, 1))
def _call_flat(
    function: Callable, static: tuple, emissions: Array, chain: Chain, per_sentence: list, shared: tuple
) -> Any:
    """Flatten the leading axes, call ``function`` and restore them.

    Args:
        function: takes one batch.
        static: its keyword arguments, as (name, value) pairs.
        emissions: (..., n, t) float.
        chain: one chain, which is not flattened.
        per_sentence: arrays with the leading axes, the lengths (...) first.
        shared: arrays that are passed on as they are.
    """
    lead = per_sentence[0].shape
    flat = lambda x: x.reshape(-1, *x.shape[len(lead) :])
    out = function(flat(emissions), chain, *map(flat, per_sentence), *shared, **dict(static))
    return jax.tree.map(lambda x: x.reshape(*lead, *x.shape[1:]), out)


def _check_scores(emissions: Array, chain: Chain) -> None:
    """Check rank, sizes and dtypes of emissions (..., n, t) and chain; values are not checked.

    Raises:
        ValueError: if emissions have less than two axes, n or t is 0, or a shape of the chain is not that of
            t tags.
        TypeError: if emissions or a part of the chain are not floating point.
    """
    if emissions.ndim < 2 or 0 in emissions.shape[-2:]:
        raise ValueError(f"emissions have shape {emissions.shape}, expected (..., n, t), n and t at least 1")
    if not jnp.issubdtype(emissions.dtype, jnp.floating):
        raise TypeError(f"emissions are {emissions.dtype}, expected floating point")
    t = emissions.shape[-1]
    for name, scores, shape in zip(Chain._fields, chain, ((t, t), (t,), (t,)), strict=True):
        if scores.shape != shape:
            raise ValueError(f"chain.{name} has shape {scores.shape}, expected {shape} for {t} tags")
        if not jnp.issubdtype(scores.dtype, jnp.floating):
            raise TypeError(f"chain.{name} is {scores.dtype}, expected floating point")


def _checked(name: str, value: ArrayLike, shape: tuple[int, ...], kind: Any) -> Array:
    """Return an argument as an int32 or bool array; its values are not checked.

    Args:
        name: name of the argument, for messages.
        value: the argument.
        shape: the exact shape that is expected.
        kind: ``jnp.integer`` or ``jnp.bool_``.

    Raises:
        ValueError: if the shape differs.
        TypeError: if the dtype is not of the kind; bool does not count as integer.
    """
    array = jnp.asarray(value)
    kind_name, dtype = _KINDS[kind]
    if array.shape != shape:
        raise ValueError(f"{name} have shape {array.shape}, expected {shape} as the emissions")
    if not jnp.issubdtype(array.dtype, kind):
        raise TypeError(f"{name} are {array.dtype}, expected {kind_name}")
    return array.astype(dtype)  # int32 is signed: lengths - 1 must not wrap around at length 0


def time_first(emissions: Array, lengths: Array) -> tuple[Array, Array]:
    """Move the word axis to the front and set emissions beyond the lengths to 0.

    Padding may hold anything, NaN included, and must not reach the sums.

    Args:
        emissions: (B, n, t) float.
        lengths: (B,) int32.

    Returns:
        Emissions (n, B, t), and the mask (n, B, 1) bool of the words within the lengths.
    """
    inside = (jnp.arange(emissions.shape[1])[:, None] < lengths[None])[..., None]
    return jnp.where(inside, jnp.moveaxis(emissions, 1, 0), 0.0), inside


def batch_last(emissions: Array, lengths: Array) -> tuple[Array, Array]:
    """Move the batch axis to the end and set emissions beyond the lengths to 0.

    The vectors of a CPU then run over the batch.

    Args:
        emissions: (B, n, t) float.
        lengths: (B,) int32.

    Returns:
        Emissions (n, t, B), and the mask (n, 1, B) bool of the words within the lengths.
    """
    inside = (jnp.arange(emissions.shape[1])[:, None] < lengths[None])[:, None]
    return jnp.where(inside, jnp.transpose(emissions, (1, 2, 0)), 0.0), inside
