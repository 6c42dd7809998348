"""The LSTM's loop on a GPU: few operations per step, since each takes longer to launch than to run.

All directions step together. The number of steps is that of the padded shape: asking the device for the
longest sentence would cost more than steps over padding.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mlmt_jax.model import lstm_cell
from mlmt_jax.model.linear import PRECISION
from mlmt_jax.model.lstm_cell import Activations, LSTMWeights

# The hidden size is padded with zeros to a multiple of this, in which rows of matrices are read.
_MULTIPLE = 32

# Steps per iteration of a loop: counting iterations is an operation too.
_UNROLL = 4


def _pad(x: jax.Array, axis: int = -1) -> jax.Array:
    """Pad an axis, by default the last, with zeros at its end to a multiple of ``_MULTIPLE``."""
    sizes = [(0, 0)] * x.ndim
    sizes[axis] = (0, -x.shape[axis] % _MULTIPLE)
    return jnp.pad(x, sizes)


def _pad_quarters(x: jax.Array) -> jax.Array:
    """Pad each quarter of the last axis as ``_pad`` does, (..., 4 h) to (..., 4 H)."""
    return _pad(x.reshape(*x.shape[:-1], 4, -1)).reshape(*x.shape[:-1], -1)


def _crop_quarters(x: jax.Array, h: int) -> jax.Array:
    """Invert ``_pad_quarters``: (..., 4 H) to (..., 4 h)."""
    return x.reshape(*x.shape[:-1], 4, -1)[..., :h].reshape(*x.shape[:-1], 4 * h)


def _loop(steps: Any, step: Callable[[jax.Array, Any], Any], state: Any) -> Any:
    """Run ``state = step(i, state)`` for i from 0 to ``steps`` - 1, and return the last state.

    ``steps`` is an int, or a symbolic number in an exported program.
    """
    # In an exported program the number is symbolic.
    unroll = min(steps, _UNROLL) if isinstance(steps, int) else None
    return jax.lax.fori_loop(0, steps, step, state, unroll=unroll)


def forward_loop(
    rows: int, keep: bool, step_starts: jax.Array, inputs: jax.Array, weights: LSTMWeights
) -> tuple[jax.Array, ...]:
    """Run the LSTM over all packed words, from states of 0.

    Args:
        rows: number of sentences.
        keep: True to return activations for ``backward_pass``.
        step_starts: (n + 1,) int32, index of the first packed word of each step.
        inputs: (directions, P, d). The last ``rows`` packed words at least are padding.
        weights: of each direction.

    Returns:
        ``Activations``, or without ``keep`` a tuple of h after each word (directions, P, h). Values of
        padding are undefined.
    """
    directions, P, _ = inputs.shape
    h = weights.recurrent.shape[1]
    # Padding has gates of 1/2, but g and the states are 0.
    z_inputs = jnp.einsum("wpd,wdg->wpg", inputs, _pad_quarters(weights.kernel), precision=PRECISION)
    z_inputs += _pad_quarters(weights.bias)[:, None]
    recurrent = _pad(_pad_quarters(weights.recurrent), 1)
    H = recurrent.shape[1]

    def step(i, state):
        h, c, written = state
        start = step_starts[i]
        z_recurrent = jnp.einsum("wbk,wkg->wbg", h, recurrent, precision=PRECISION)
        gates = lstm_cell.gates_from(z_recurrent + lstm_cell.read_window(z_inputs, start, rows))
        next_h, next_c = lstm_cell.cell(gates, c)
        window = jnp.concatenate([h, c, gates], -1) if keep else next_h
        return next_h, next_c, lstm_cell.write_window(written, window, start)

    zero = jnp.zeros((directions, rows, H), inputs.dtype)
    empty = jnp.zeros((directions, P, 6 * H if keep else H), inputs.dtype)
    _, _, written = _loop(step_starts.shape[0] - 1, step, (zero, zero, empty))
    if not keep:
        return (written[..., :h],)
    return Activations(written[..., :h], written[..., H : H + h], _crop_quarters(written[..., 2 * H :], h))


def backward_pass(
    rows: int,
    step_starts: jax.Array,
    inputs: jax.Array,
    weights: LSTMWeights,
    activations: Activations,
    slopes: jax.Array,
) -> tuple[jax.Array, LSTMWeights]:
    """Return the gradients by inputs (directions, P, d) and by weights.

    Args:
        rows: number of sentences.
        step_starts: (n + 1,) int32, index of the first packed word of each step.
        inputs: (directions, P, d).
        weights: of each direction.
        activations: from ``forward_loop``.
        slopes: (directions, P, h), gradient by h after each word. That of padding is ignored.
    """
    (directions, P, h), steps = activations.h.shape, step_starts.shape[0] - 1
    dh_dc, dz_factor = lstm_cell.cell_derivatives(activations.gates, activations.c)
    # A step reads all values of its words in one window.
    f = activations.gates[..., h : 2 * h]
    fixed = jnp.concatenate([*map(_pad, (slopes, dh_dc, f)), _pad_quarters(dz_factor)], -1)
    recurrent = jnp.swapaxes(_pad(_pad_quarters(weights.recurrent), 1), 1, 2)
    H = recurrent.shape[2]

    def step(back, state):
        dh, dc, dz = state
        i = steps - 1 - back
        start, is_word = step_starts[i], (jnp.arange(rows) < step_starts[i + 1] - step_starts[i])[:, None]
        window = lstm_cell.read_window(fixed, start, rows)
        slopes, dh_dc, f, dz_factor = jnp.split(window, [H, 2 * H, 3 * H], -1)
        # Sentences that have ended before this word have had no slope yet: theirs stay 0.
        dh = dh + jnp.where(is_word, slopes, 0.0)
        dc = dc + dh * dh_dc
        dz_step = jnp.concatenate([dc, dc, dc, dh], -1) * dz_factor
        dz_window = jnp.where(is_word, dz_step, lstm_cell.read_window(dz, start, rows))
        dz = lstm_cell.write_window(dz, dz_window, start)
        return jnp.einsum("wbg,wgh->wbh", dz_step, recurrent, precision=PRECISION), dc * f, dz

    zero = jnp.zeros((directions, rows, H), activations.h.dtype)
    empty = jnp.zeros((directions, P, 4 * H), activations.h.dtype)
    _, _, dz = _loop(steps, step, (zero, zero, empty))
    return lstm_cell.gradients(inputs, activations.h, weights.kernel, _crop_quarters(dz, h))
