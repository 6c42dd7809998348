"""The arithmetic of one LSTM step and its derivative, shared by the loops for CPU and GPU.

``recurrence`` says how words are packed. Quarters of a last axis 4 h belong to the gates i, f, g, o.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mlmt_jax.model.linear import PRECISION


class LSTMWeights(NamedTuple):
    """The weights of an LSTM's directions: the gates of a word are computed from z = W x + U h + b."""

    kernel: jax.Array  # (directions, d, 4 h) float, W
    recurrent: jax.Array  # (directions, h, 4 h) float, U
    bias: jax.Array  # (directions, 4 h) float, b


class Activations(NamedTuple):
    """The values of every packed word that the forward loop keeps for the backward loop."""

    h: jax.Array  # (directions, P, h) float, hidden state before the word
    c: jax.Array  # (directions, P, h) float, cell state before the word
    gates: jax.Array  # (directions, P, 4 h) float


def read_window(values: jax.Array, start: jax.Array, rows: int) -> jax.Array:
    """Return ``rows`` packed words of (directions, P, d) from ``start`` on, (directions, rows, d).

    If the window would end after P, it is moved to end there.
    """
    return jax.lax.dynamic_slice_in_dim(values, start, rows, 1)


def write_window(values: jax.Array, window: jax.Array, start: jax.Array) -> jax.Array:
    """Return (directions, P, d) with a window (directions, rows, d) written from ``start`` on.

    If the window would end after P, it is moved to end there. ``values`` is not changed.
    """
    return jax.lax.dynamic_update_slice_in_dim(values, window, start, 1)


def _quarters(like: jax.Array, *values: float) -> jax.Array:
    """Return a constant (4 h,) with the four values, one for each quarter of the last axis of ``like``."""
    return jnp.asarray(np.repeat(np.array(values, like.dtype), like.shape[-1] // 4))


def gates_from(z: jax.Array) -> jax.Array:
    """Compute the gates (..., 4 h) from z: sigmoid, sigmoid, tanh, sigmoid, all by one tanh."""
    inner = _quarters(z, 0.5, 0.5, 1.0, 0.5)
    return jnp.tanh(z * inner) * inner + (1.0 - inner)


def _gates_derivative(gates: jax.Array) -> jax.Array:
    """Compute the derivative of ``gates_from`` from its value y: y (1 - y), for the tanh 1 - y y."""
    return _quarters(gates, 0, 0, 1, 0) + _quarters(gates, 1, 1, 0, 1) * gates - gates * gates


def cell(gates: jax.Array, c: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return h and c after a word, (..., h) each, from its gates (..., 4 h) and c before it."""
    i, f, g, o = jnp.split(gates, 4, -1)
    c = f * c + i * g
    return o * jnp.tanh(c), c


def cell_derivatives(gates: jax.Array, c: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return derivatives of ``cell``, from the same arguments.

    Returns:
        (..., h), dh / dc for c after the word; and (..., 4 h), dc / dz for the quarters i, f, g and dh / dz
        for o.
    """
    i, f, g, o = jnp.split(gates, 4, -1)
    tanh_c = jnp.tanh(f * c + i * g)
    return o * (1.0 - tanh_c * tanh_c), jnp.concatenate([g, c, i, tanh_c], -1) * _gates_derivative(gates)


def gradients(
    inputs: jax.Array, h: jax.Array, kernel: jax.Array, dz: jax.Array
) -> tuple[jax.Array, LSTMWeights]:
    """Return the gradients by inputs and weights from that by z.

    Args:
        inputs: (directions, P, d), packed words.
        h: (directions, P, h), hidden state before each word.
        kernel: (directions, d, 4 h).
        dz: (directions, P, 4 h), gradient by z = W x + U h + b; 0 for padding.

    Returns:
        The gradient by inputs (directions, P, d), and those by kernel, recurrent weights and bias.
    """
    d_inputs = jnp.einsum("wpg,wdg->wpd", dz, kernel, precision=PRECISION)
    d_kernel, d_recurrent = (
        jnp.einsum("wpk,wpg->wkg", values, dz, precision=PRECISION) for values in (inputs, h)
    )
    return d_inputs, LSTMWeights(d_kernel, d_recurrent, jnp.sum(dz, 1))
