"""The LSTM's loop on a CPU: few computations for padding, and each direction on a core of its own.

A direction is a tuple of trees whose leading axis has size 1. Operations of two directions do not depend on
each other, so XLA runs them in parallel.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from mlmt_jax.model import lstm_cell
from mlmt_jax.model.lstm_cell import Activations, LSTMWeights

# The products of the gradients leave out padding in steps of so many parts of the packed words.
_PARTS = 8


def _count_steps(step_starts: jax.Array) -> jax.Array:
    """Return the number of words of the longest sentence, () int32, from ``step_starts`` (n + 1,)."""
    return jnp.sum(step_starts[1:] > step_starts[:-1], dtype=jnp.int32)


def forward_loop(
    rows: int, keep: bool, step_starts: jax.Array, directions: Sequence[tuple[jax.Array, LSTMWeights]]
) -> list[tuple[jax.Array, ...]]:
    """Run the LSTM over all packed words, from states of 0.

    Args:
        rows: number of sentences.
        keep: True to return activations for ``backward_pass``.
        step_starts: (n + 1,) int32, index of the first packed word of each step.
        directions: (inputs, weights) of each, inputs (1, P, d). The last ``rows`` packed words at least are
            padding.

    Returns:
        For each direction ``Activations``, or without ``keep`` a tuple of h after each word (1, P, h). Values
        of padding are undefined.
    """
    # One product per step for input and state together: no array of gate size is computed in advance.
    joined = [jnp.concatenate([weights.kernel, weights.recurrent], 1) for _, weights in directions]

    def step(i, states):
        start, new_states = step_starts[i], []
        for (h, c, written), kernel, (inputs, weights) in zip(states, joined, directions, strict=True):
            words = jnp.concatenate([lstm_cell.read_window(inputs, start, rows), h], -1)
            gates = lstm_cell.gates_from(jnp.einsum("wbk,wkg->wbg", words, kernel) + weights.bias[:, None])
            next_h, next_c = lstm_cell.cell(gates, c)
            windows = (h, c, gates) if keep else (next_h,)
            pairs = zip(written, windows, strict=True)
            written = tuple(lstm_cell.write_window(values, window, start) for values, window in pairs)
            new_states.append((next_h, next_c, written))
        return new_states

    inputs, weights = directions[0]
    size = weights.recurrent.shape[1]
    zero = jnp.zeros((1, rows, size), inputs.dtype)
    sizes = (size, size, 4 * size) if keep else (size,)
    written = tuple(jnp.zeros((*inputs.shape[:2], d), inputs.dtype) for d in sizes)
    states: list[Any] = [(zero, zero, written)] * len(directions)
    states = jax.lax.fori_loop(0, _count_steps(step_starts), step, states)
    return [Activations(*written) if keep else written for _, _, written in states]


def backward_pass(
    rows: int,
    step_starts: jax.Array,
    directions: Sequence[tuple[jax.Array, LSTMWeights, Activations, jax.Array]],
) -> list[tuple[jax.Array, LSTMWeights]]:
    """Return the gradients of each direction by inputs (1, P, d) and weights.

    Args:
        rows: number of sentences.
        step_starts: (n + 1,) int32, index of the first packed word of each step.
        directions: (inputs (1, P, d), weights, activations of ``forward_loop``, gradient by h after each word
            (1, P, h)) of each. Gradients of padding are ignored.
    """
    steps = _count_steps(step_starts)
    # The loop computes only what depends on the step after.
    fixed, states = [], []
    for _, weights, activations, slopes in directions:
        dh_dc, dz_factor = lstm_cell.cell_derivatives(activations.gates, activations.c)
        # Transposed once: the product of each step would otherwise read the weights across their rows.
        recurrent = jnp.swapaxes(weights.recurrent, 1, 2)
        fixed.append((dh_dc, dz_factor, activations.gates, recurrent, slopes))
        zero = jnp.zeros_like(activations.h[:, :rows])
        states.append((zero, zero, jnp.zeros_like(activations.gates)))

    def step(back, states):
        i = steps - 1 - back
        start, is_word = step_starts[i], (jnp.arange(rows) < step_starts[i + 1] - step_starts[i])[:, None]
        new_states = []
        for (dh, dc, dz), (dh_dc, dz_factor, gates, recurrent, slopes) in zip(states, fixed, strict=True):
            # Sentences that have ended before this word have had no slope yet: theirs stay 0.
            dh = dh + jnp.where(is_word, lstm_cell.read_window(slopes, start, rows), 0.0)
            dc = dc + dh * lstm_cell.read_window(dh_dc, start, rows)
            dz_step = jnp.concatenate([dc, dc, dc, dh], -1) * lstm_cell.read_window(dz_factor, start, rows)
            dz_window = jnp.where(is_word, dz_step, lstm_cell.read_window(dz, start, rows))
            dz = lstm_cell.write_window(dz, dz_window, start)
            f = jax.lax.dynamic_slice(gates, (0, start, dc.shape[-1]), dc.shape)
            new_states.append((jnp.einsum("wbg,wgh->wbh", dz_step, recurrent), dc * f, dz))
        return new_states

    states = jax.lax.fori_loop(0, steps, step, states)
    arrays = [
        (inputs, activations.h, weights.kernel, dz)
        for (inputs, weights, activations, _), (_, _, dz) in zip(directions, states, strict=True)
    ]
    P = directions[0][0].shape[1]

    def gradients_of_first(size: int, arrays: Sequence[tuple[jax.Array, ...]]):
        results = []
        for inputs, h, kernel, dz in arrays:
            d_inputs, d_weights = lstm_cell.gradients(inputs[:, :size], h[:, :size], kernel, dz[:, :size])
            results.append((jnp.pad(d_inputs, [(0, 0), (0, P - size), (0, 0)]), d_weights))
        return results

    # Most of the padding is left out.
    sizes = [P * k // _PARTS for k in range(1, _PARTS + 1)]
    smallest = jnp.sum(step_starts[-1] > jnp.array(sizes), dtype=jnp.int32)
    return jax.lax.switch(smallest, [partial(gradients_of_first, size) for size in sizes], arrays)
