"""The LSTM's loop on a GPU: as few operations a word as can be, since each takes longer to start than to run.

All directions step as one. How far to go is known before: asking the device would cost more than padding.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mlmt_jax.model.lstm_cell import cell, gates_by, gradients, put, slopes_by, window
from mlmt_jax.model.precision import PRECISION

__all__ = ["backward_pass", "forward_loop"]

# The hidden size is filled up with zeros to a multiple of this, which rows of matrices are read by.
_MULTIPLE = 32

# Steps that one turn of a loop takes: counting turns is an operation too.
_UNROLLED = 4


def _wide(h: int) -> int:
    return -(-h // _MULTIPLE) * _MULTIPLE


def _filled(x: jax.Array, axis: int = -1) -> jax.Array:
    """An axis of h as one of ``_wide(h)``."""
    sizes = [(0, 0)] * x.ndim
    sizes[axis] = (0, _wide(x.shape[axis]) - x.shape[axis])
    return jnp.pad(x, sizes)


def _filled_quarters(x: jax.Array) -> jax.Array:
    """(..., 4 h) as (..., 4 ``_wide(h)``)."""
    quarters = _filled(x.reshape(*x.shape[:-1], 4, -1))
    return quarters.reshape(*x.shape[:-1], -1)


def _own_quarters(x: jax.Array, h: int) -> jax.Array:
    """The inverse of ``_filled_quarters``."""
    return x.reshape(*x.shape[:-1], 4, -1)[..., :h].reshape(*x.shape[:-1], 4 * h)


def _loop(steps: Any, step: Callable[[jax.Array, Any], Any], state: Any) -> Any:
    # An exported program leaves open how many there are.
    unroll = min(steps, _UNROLLED) if isinstance(steps, int) else None
    return jax.lax.fori_loop(0, steps, step, state, unroll=unroll)


def forward_loop(
    rows: int,
    keep: bool,
    starts: jax.Array,
    inputs: jax.Array,
    kernel: jax.Array,
    recurrent: jax.Array,
    bias: jax.Array,
) -> tuple[jax.Array, ...]:
    """Of every word: h after it. With ``keep``: h and c before it, and its gates."""
    ways, P, _ = inputs.shape
    h = recurrent.shape[1]
    H = _wide(h)
    # What fills up has gates of 1/2, but content and state of 0.
    ahead = jnp.einsum("wpd,wdg->wpg", inputs, _filled_quarters(kernel), precision=PRECISION)
    ahead += _filled_quarters(bias)[:, None]
    U = _filled(_filled_quarters(recurrent), 1)

    def step(i, state):
        h, c, written = state
        at = starts[i]
        z = jnp.einsum("wbk,wkg->wbg", h, U, precision=PRECISION) + window(ahead, at, rows)
        gates = gates_by(z)
        next_h, next_c = cell(gates, c)
        value = jnp.concatenate([h, c, gates], -1) if keep else next_h
        return next_h, next_c, put(written, value, at)

    zero = jnp.zeros((ways, rows, H), inputs.dtype)
    none = jnp.zeros((ways, P, 6 * H if keep else H), inputs.dtype)
    _, _, written = _loop(starts.shape[0] - 1, step, (zero, zero, none))
    if not keep:
        return (written[..., :h],)
    return written[..., :h], written[..., H : H + h], _own_quarters(written[..., 2 * H :], h)


def backward_pass(
    rows: int,
    starts: jax.Array,
    inputs: jax.Array,
    hs: jax.Array,
    cs: jax.Array,
    gates: jax.Array,
    kernel: jax.Array,
    recurrent: jax.Array,
    slopes: jax.Array,
) -> tuple[jax.Array, ...]:
    """The gradients by inputs, kernel, recurrent and bias."""
    (ways, P, h), steps = hs.shape, starts.shape[0] - 1
    H = _wide(h)
    of_h, of_gates = slopes_by(gates, cs)
    # All that a step reads of its words lies side by side.
    forget = gates[..., h : 2 * h]
    fixed = jnp.concatenate([*map(_filled, (slopes, of_h, forget)), _filled_quarters(of_gates)], -1)
    across = jnp.swapaxes(_filled(_filled_quarters(recurrent), 1), 1, 2)

    def step(back, state):
        dh, dc, dz = state
        i = steps - 1 - back
        at, there = starts[i], (jnp.arange(rows) < starts[i + 1] - starts[i])[:, None]
        slopes, of_h, forget, of_gates = jnp.split(window(fixed, at, rows), [H, 2 * H, 3 * H], -1)
        # Sentences that are over by now have had no slope yet: all of theirs stay 0.
        dh = dh + jnp.where(there, slopes, 0.0)
        dc = dc + dh * of_h
        now = jnp.concatenate([dc, dc, dc, dh], -1) * of_gates
        dz = put(dz, jnp.where(there, now, window(dz, at, rows)), at)
        return jnp.einsum("wbg,wgh->wbh", now, across, precision=PRECISION), dc * forget, dz

    zero, none = jnp.zeros((ways, rows, H), hs.dtype), jnp.zeros((ways, P, 4 * H), hs.dtype)
    _, _, dz = _loop(steps, step, (zero, zero, none))
    return gradients(inputs, hs, kernel, _own_quarters(dz, h))
