"""The LSTM's loop on a CPU: no step, and hardly a product, for padding; each direction on a core of its own.

Groups are the arrays of one direction: chains of operations that do not wait for one another.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from mlmt_jax.model.lstm_cell import cell, gates_by, gradients, put, slopes_by, window

__all__ = ["backward_pass", "forward_loop"]

# Into so many parts the places of packed words are cut, to multiply no more of them than hold words.
_PARTS = 8

# Arrays of one direction, whose first axis has a length of 1.
Group = tuple[jax.Array, ...]


def _steps(starts: jax.Array) -> jax.Array:
    """Of the longest sentence."""
    return jnp.sum(starts[1:] > starts[:-1], dtype=jnp.int32)


def forward_loop(rows: int, keep: bool, starts: jax.Array, groups: Sequence[Group]) -> list[Group]:
    """Of every word, for each group of (inputs, kernel, recurrent, bias): h after it.

    With ``keep``: h and c before it, and its gates. What comes after follows from these, for all at once.
    """
    # One product a word of input and state together: nothing as wide as the gates is had beforehand.
    weights = [jnp.concatenate([kernel, recurrent], 1) for _, kernel, recurrent, _ in groups]

    def step(i, states):
        at, after = starts[i], []
        for (h, c, written), own, (inputs, _, _, bias) in zip(states, weights, groups, strict=True):
            read = jnp.concatenate([window(inputs, at, rows), h], -1)
            gates = gates_by(jnp.einsum("wbk,wkg->wbg", read, own) + bias[:, None])
            next_h, next_c = cell(gates, c)
            values = (h, c, gates) if keep else (next_h,)
            written = tuple(put(whole, value, at) for whole, value in zip(written, values, strict=True))
            after.append((next_h, next_c, written))
        return after

    states: list[Any] = []
    for inputs, _, recurrent, _ in groups:
        (ways, P, _), size = inputs.shape, recurrent.shape[1]
        zero = jnp.zeros((ways, rows, size), inputs.dtype)
        wide = (size, size, 4 * size) if keep else (size,)
        states.append((zero, zero, tuple(jnp.zeros((ways, P, d), inputs.dtype) for d in wide)))
    states = jax.lax.fori_loop(0, _steps(starts), step, states)
    return [written for _, _, written in states]


def backward_pass(rows: int, starts: jax.Array, groups: Sequence[Group]) -> list[Group]:
    """The gradients by inputs, kernel, recurrent and bias, for each group of these and of what was kept."""
    steps = _steps(starts)
    # All that the loop need not compute: how a word's c moves with its h, and its gates with c and h.
    fixed, states = [], []
    for _, hs, cs, gates, _, recurrent, slopes in groups:
        of_h, of_gates = slopes_by(gates, cs)
        across = jnp.swapaxes(recurrent, 1, 2)  # once, lest each word's product read weights across
        fixed.append((of_h, of_gates, gates, across, slopes))
        zero = jnp.zeros_like(hs[:, :rows])
        states.append((zero, zero, jnp.zeros_like(gates)))

    def step(back, states):
        i = steps - 1 - back
        at, there = starts[i], (jnp.arange(rows) < starts[i + 1] - starts[i])[:, None]
        before = []
        for (dh, dc, dz), (of_h, of_gates, gates, across, slopes) in zip(states, fixed, strict=True):
            # Sentences that are over by now have had no slope yet: all of theirs stay 0.
            dh = dh + jnp.where(there, window(slopes, at, rows), 0.0)
            dc = dc + dh * window(of_h, at, rows)
            now = jnp.concatenate([dc, dc, dc, dh], -1) * window(of_gates, at, rows)
            dz = put(dz, jnp.where(there, now, window(dz, at, rows)), at)
            forget = jax.lax.dynamic_slice(gates, (0, at, dc.shape[-1]), dc.shape)
            before.append((jnp.einsum("wbg,wgh->wbh", now, across), dc * forget, dz))
        return before

    states = jax.lax.fori_loop(0, steps, step, states)
    parts = [
        (inputs, hs, kernel, dz)
        for (inputs, hs, _, _, kernel, _, _), (_, _, dz) in zip(groups, states, strict=True)
    ]
    return _gradients(starts, parts)


def _gradients(starts: jax.Array, groups: Sequence[Group]) -> list[Group]:
    """The gradients by inputs, kernel, recurrent and bias, from those by W x + U h + b of every word."""
    P = groups[0][0].shape[1]

    def of_first(size: int, groups: Sequence[Group]) -> list[Group]:
        found = []
        for inputs, hs, kernel, dz in groups:
            of_inputs, *others = gradients(inputs[:, :size], hs[:, :size], kernel, dz[:, :size])
            found.append((jnp.pad(of_inputs, [(0, 0), (0, P - size), (0, 0)]), *others))
        return found

    # Most places without a word are left out.
    sizes = [P * k // _PARTS for k in range(1, _PARTS + 1)]
    enough = jnp.sum(starts[-1] > jnp.array(sizes), dtype=jnp.int32)
    return jax.lax.switch(enough, [partial(of_first, size) for size in sizes], groups)
