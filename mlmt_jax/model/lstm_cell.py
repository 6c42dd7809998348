"""What one step of an LSTM's loop is made of; ``recurrence`` says where packed words stand."""

import jax
import jax.numpy as jnp
import numpy as np

from mlmt_jax.model.precision import PRECISION

__all__ = ["cell", "gates_by", "gradients", "put", "slopes_by", "window"]


def window(values: jax.Array, start: jax.Array, rows: int) -> jax.Array:
    """``rows`` packed words of (ways, P, d) from ``start``."""
    return jax.lax.dynamic_slice_in_dim(values, start, rows, 1)


def put(values: jax.Array, value: jax.Array, start: jax.Array) -> jax.Array:
    """``values`` with a window in its place."""
    return jax.lax.dynamic_update_slice_in_dim(values, value, start, 1)


def _quarters(like: jax.Array, *values: float) -> jax.Array:
    return jnp.asarray(np.repeat(np.array(values, like.dtype), like.shape[-1] // 4))


def gates_by(z: jax.Array) -> jax.Array:
    """sigmoid, sigmoid, tanh, sigmoid of the quarters i, f, g, o, all by tanh: one vector operation."""
    inner = _quarters(z, 0.5, 0.5, 1.0, 0.5)
    return jnp.tanh(z * inner) * inner + (1.0 - inner)


def slopes_by(gates: jax.Array, c: jax.Array) -> tuple[jax.Array, jax.Array]:
    """How a word's c moves with its h, and its gates with c (the last with h), from gates and c before it."""
    entry, forget, content, exit_ = jnp.split(gates, 4, -1)
    squashed = jnp.tanh(forget * c + entry * content)
    of_gates = jnp.concatenate([content, c, entry, squashed], -1) * _gates_slope(gates)
    return exit_ * (1.0 - squashed * squashed), of_gates


def _gates_slope(gates: jax.Array) -> jax.Array:
    """The derivative of ``gates_by`` by z, from its value y: y (1 - y), for tanh 1 - y y."""
    return _quarters(gates, 0, 0, 1, 0) + _quarters(gates, 1, 1, 0, 1) * gates - gates * gates


def cell(gates: jax.Array, c: jax.Array) -> tuple[jax.Array, jax.Array]:
    """H and c after a word, from its gates and c before it."""
    entry, forget, content, exit_ = jnp.split(gates, 4, -1)
    c = forget * c + entry * content
    return exit_ * jnp.tanh(c), c


def gradients(
    inputs: jax.Array, hs: jax.Array, kernel: jax.Array, dz: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Those by inputs, kernel, recurrent and bias, from those by W x + U h + b of every word."""
    of_inputs = jnp.einsum("wpg,wdg->wpd", dz, kernel, precision=PRECISION)
    of_kernel, of_recurrent = (
        jnp.einsum("wpk,wpg->wkg", values, dz, precision=PRECISION) for values in (inputs, hs)
    )
    return of_inputs, of_kernel, of_recurrent, jnp.sum(dz, 1)
