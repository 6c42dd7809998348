"""The LSTM's loop over words, with its gradient by hand: the time of a training step is spent here.

Four things are had that differentiating a ``scan`` does not give: no step is taken, and hardly anything
computed, for padding; the gradient of the weights is one large product instead of a small one a word;
activations are written once, as the backward loop reads them; and a CPU steps through both directions on two
cores.

Packed words (``Batch``) of one number within their sentences are neighbours, those of the longest sentence
first. So each step reads and writes a window of as many words as there are sentences. The sentences that are
over already meet the words of the next step there: they compute what nobody reads, and the next step
overwrites it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["recurrence"]

# Into so many parts a CPU cuts the places of packed words, to multiply no more of them than hold words.
_PARTS = 8

# Arrays of one way or of several, which are their first axis.
_Group = tuple[jax.Array, ...]


def recurrence(
    inputs: jax.Array, kernel: jax.Array, recurrent: jax.Array, bias: jax.Array, starts: jax.Array, rows: int
) -> jax.Array:
    """Hidden states of LSTMs that start from 0.

    Args:
        inputs: (ways, P, d) float, of every packed word, in the order in which each LSTM reads a sentence.
            Behind the last word there are at least ``rows`` more.
        kernel: (ways, d, 4 h) float, W, quarters i, f, g, o.
        recurrent: (ways, h, 4 h) float, U.
        bias: (ways, 4 h) float.
        starts: (n + 1,) int32, where the words of each step begin.
        rows: sentences.

    Returns:
        (ways, P, h) float; what stands where there is no word means nothing.
    """
    return _recurrence(inputs, kernel, recurrent, bias, jnp.asarray(starts), rows)


@partial(jax.custom_vjp, nondiff_argnums=(5,))
def _recurrence(
    inputs: jax.Array, kernel: jax.Array, recurrent: jax.Array, bias: jax.Array, starts: jax.Array, rows: int
) -> jax.Array:
    found = _by_way(partial(_forward_loop, rows, False), starts, inputs, kernel, recurrent, bias)
    return jnp.concatenate([hs for (hs,) in found])


def _forward(
    inputs: jax.Array, kernel: jax.Array, recurrent: jax.Array, bias: jax.Array, starts: jax.Array, rows: int
):
    kept = _by_way(partial(_forward_loop, rows, True), starts, inputs, kernel, recurrent, bias)
    outputs = jnp.concatenate([_cell(gates, cs)[0] for _, cs, gates in kept])
    return outputs, (inputs, kept, kernel, recurrent, starts)


def _backward(rows: int, saved, slopes: jax.Array):
    inputs, kept, kernel, recurrent, starts = saved
    # Taken apart again in the same way, which costs nothing.
    hs, cs, gates = map(jnp.concatenate, zip(*kept, strict=True))
    arrays = inputs, hs, cs, gates, kernel, recurrent, slopes
    found = _by_way(partial(_backward_pass, rows), starts, *arrays)
    return *map(jnp.concatenate, zip(*found, strict=True)), None


_recurrence.defvjp(_forward, _backward)


def _by_way(run: Callable[..., Sequence[_Group]], starts: jax.Array, *arrays: jax.Array) -> list[_Group]:
    """``run(on_cpu, starts, groups)``, and what it gives for each way, whose axis has a length of 1.

    On a CPU every way is a group of its own: chains of operations that do not wait for one another take a
    core each. Elsewhere one group of all halves the number of operations.
    """
    ways = len(arrays[0])

    def cpu(starts: jax.Array, *arrays: jax.Array) -> list[_Group]:
        return list(run(True, starts, _apart(ways, arrays)))

    def default(starts: jax.Array, *arrays: jax.Array) -> list[_Group]:
        [together] = run(False, starts, [arrays])
        return _apart(ways, together)

    return jax.lax.platform_dependent(starts, *arrays, cpu=cpu, default=default)


def _apart(ways: int, arrays: _Group) -> list[_Group]:
    return list(zip(*(jnp.split(x, ways) for x in arrays), strict=True))


def _steps(on_cpu: bool, starts: jax.Array) -> jax.Array:
    """How far to go. A GPU goes to the end: asking it how far would cost more than the padding."""
    return jnp.sum(starts[1:] > starts[:-1], dtype=jnp.int32) if on_cpu else jnp.int32(starts.shape[0] - 1)


def _window(values: jax.Array, start: jax.Array, rows: int) -> jax.Array:
    return jax.lax.dynamic_slice_in_dim(values, start, rows, 1)


def _put(values: jax.Array, value: jax.Array, start: jax.Array) -> jax.Array:
    return jax.lax.dynamic_update_slice_in_dim(values, value, start, 1)


def _quarters(like: jax.Array, *values: float) -> jax.Array:
    return jnp.asarray(np.repeat(np.array(values, like.dtype), like.shape[-1] // 4))


def _gates(z: jax.Array) -> jax.Array:
    """sigmoid, sigmoid, tanh, sigmoid of the quarters i, f, g, o, all by tanh: one vector operation."""
    inner = _quarters(z, 0.5, 0.5, 1.0, 0.5)
    return jnp.tanh(z * inner) * inner + (1.0 - inner)


def _gates_slope(gates: jax.Array) -> jax.Array:
    """The derivative of ``_gates`` by z, from its value y: y (1 - y), for tanh 1 - y y."""
    return _quarters(gates, 0, 0, 1, 0) + _quarters(gates, 1, 1, 0, 1) * gates - gates * gates


def _cell(gates: jax.Array, c: jax.Array) -> tuple[jax.Array, jax.Array]:
    """h and c after a word, from its gates and c before it."""
    entry, forget, content, exit_ = jnp.split(gates, 4, -1)
    c = forget * c + entry * content
    return exit_ * jnp.tanh(c), c


def _forward_loop(
    rows: int, keep: bool, on_cpu: bool, starts: jax.Array, groups: Sequence[_Group]
) -> list[_Group]:
    """Of every word, for each group of (inputs, kernel, recurrent, bias): h after it.

    With ``keep``: h and c before it, and its gates. What comes after follows from these, for all at once.
    """
    # One product a word of input and state together: nothing as wide as the gates is had beforehand.
    weights = [jnp.concatenate([kernel, recurrent], 1) for _, kernel, recurrent, _ in groups]

    def step(i, states):
        at, after = starts[i], []
        for (h, c, written), own, (inputs, _, _, bias) in zip(states, weights, groups, strict=True):
            read = jnp.concatenate([_window(inputs, at, rows), h], -1)
            gates = _gates(jnp.einsum("wbk,wkg->wbg", read, own) + bias[:, None])
            next_h, next_c = _cell(gates, c)
            values = (h, c, gates) if keep else (next_h,)
            written = tuple(_put(whole, value, at) for whole, value in zip(written, values, strict=True))
            after.append((next_h, next_c, written))
        return after

    states: list[Any] = []
    for inputs, _, recurrent, _ in groups:
        (ways, P, _), size = inputs.shape, recurrent.shape[1]
        zero = jnp.zeros((ways, rows, size), inputs.dtype)
        wide = (size, size, 4 * size) if keep else (size,)
        states.append((zero, zero, tuple(jnp.zeros((ways, P, d), inputs.dtype) for d in wide)))
    states = jax.lax.fori_loop(0, _steps(on_cpu, starts), step, states)
    return [written for _, _, written in states]


def _backward_pass(rows: int, on_cpu: bool, starts: jax.Array, groups: Sequence[_Group]) -> list[_Group]:
    """The gradients by inputs, kernel, recurrent and bias."""
    steps = _steps(on_cpu, starts)
    # All that the loop need not compute: how a word's c moves with its h, and its gates with c and h.
    fixed, states = [], []
    for _, hs, cs, gates, _, recurrent, slopes in groups:
        entry, forget, content, exit_ = jnp.split(gates, 4, -1)
        squashed = jnp.tanh(forget * cs + entry * content)
        of_h = exit_ * (1.0 - squashed * squashed)
        of_gates = jnp.concatenate([content, cs, entry, squashed], -1) * _gates_slope(gates)
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
            dh = dh + jnp.where(there, _window(slopes, at, rows), 0.0)
            dc = dc + dh * _window(of_h, at, rows)
            now = jnp.concatenate([dc, dc, dc, dh], -1) * _window(of_gates, at, rows)
            dz = _put(dz, jnp.where(there, now, _window(dz, at, rows)), at)
            forget = jax.lax.dynamic_slice(gates, (0, at, dc.shape[-1]), dc.shape)
            before.append((jnp.einsum("wbg,wgh->wbh", now, across), dc * forget, dz))
        return before

    states = jax.lax.fori_loop(0, steps, step, states)
    parts = [
        (inputs, hs, kernel, dz)
        for (inputs, hs, _, _, kernel, _, _), (_, _, dz) in zip(groups, states, strict=True)
    ]
    return _gradients(on_cpu, starts, parts)


def _gradients(on_cpu: bool, starts: jax.Array, groups: Sequence[_Group]) -> list[_Group]:
    """The gradients by inputs, kernel, recurrent and bias, from those by W x + U h + b of every word."""
    P = groups[0][0].shape[1]

    def of_first(size: int, groups: Sequence[_Group]) -> list[_Group]:
        found = []
        for inputs, hs, kernel, dz in groups:
            inputs, hs, dz = (x[:, :size] for x in (inputs, hs, dz))
            of_inputs = jnp.pad(jnp.einsum("wpg,wdg->wpd", dz, kernel), [(0, 0), (0, P - size), (0, 0)])
            of_kernel, of_recurrent = (jnp.einsum("wpk,wpg->wkg", values, dz) for values in (inputs, hs))
            found.append((of_inputs, of_kernel, of_recurrent, jnp.sum(dz, 1)))
        return found

    if not on_cpu:
        return of_first(P, groups)
    # Most places without a word are left out.
    sizes = [P * k // _PARTS for k in range(1, _PARTS + 1)]
    enough = jnp.sum(starts[-1] > jnp.array(sizes), dtype=jnp.int32)
    return jax.lax.switch(enough, [partial(of_first, size) for size in sizes], groups)
