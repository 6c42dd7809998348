"""The LSTM's loop over words, with its gradient by hand: the time of a training step is spent here.

Three things are had that differentiating a ``scan`` does not give: the loop ends with the longest sentence,
whatever the batch is padded to; the gradient of the recurrent weights is one large product instead of a
small one a word; and activations are written once, as the backward loop reads them.
"""

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

__all__ = ["recurrence"]


@custom_vmap
def _longest(lengths: jax.Array) -> jax.Array:
    return jnp.max(lengths)


@_longest.def_vmap
def _(size, batched, lengths):
    # One number for runs side by side too: a loop that ends for each by itself would mask every write.
    return _longest(lengths), False


def _steps(lengths: jax.Array, n: int) -> jax.Array:
    """How far to go. A GPU goes to the end: asking it how far would cost more than the padding."""
    return jax.lax.platform_dependent(lengths, cpu=_longest, default=lambda _: jnp.int32(n))


def _gates(z: jax.Array) -> jax.Array:
    """sigmoid, sigmoid, tanh, sigmoid of the quarters i, f, g, o, all by tanh: one vector operation."""
    quarter = z.shape[-1] // 4
    inner = jnp.repeat(jnp.array([0.5, 0.5, 1.0, 0.5], z.dtype), quarter, total_repeat_length=z.shape[-1])
    return jnp.tanh(z * inner) * inner + (1.0 - inner)


def _put(values: jax.Array, value: jax.Array, word: jax.Array) -> jax.Array:
    return jax.lax.dynamic_update_index_in_dim(values, value, word, 1)


@jax.custom_vjp
def recurrence(projected: jax.Array, recurrent: jax.Array, lengths: jax.Array) -> jax.Array:
    """Hidden states of LSTMs that start from 0.

    Args:
        projected: (ways, n, B, 4 h) float, W x + b of every word, quarters i, f, g, o.
        recurrent: (ways, h, 4 h) float, U.
        lengths: (B,) int32.

    Returns:
        (ways, n, B, h) float; what stands beyond a sentence's length means nothing.
    """
    return _forward(projected, recurrent, lengths)[0]


def _forward(projected: jax.Array, recurrent: jax.Array, lengths: jax.Array):
    ways, n, B, width = projected.shape
    empty = lambda features: jnp.zeros((ways, n, B, features), projected.dtype)

    def step(i, state):
        h, c, hs, cs, gates = state
        now = _gates(projected[:, i] + jnp.einsum("wbh,whg->wbg", h, recurrent))
        entry, forget, content, exit_ = jnp.split(now, 4, -1)
        c = forget * c + entry * content
        h = exit_ * jnp.tanh(c)
        return h, c, _put(hs, h, i), _put(cs, c, i), _put(gates, now, i)

    zero = jnp.zeros((ways, B, width // 4), projected.dtype)
    state = zero, zero, empty(width // 4), empty(width // 4), empty(width)
    _, _, hs, cs, gates = jax.lax.fori_loop(0, _steps(lengths, n), step, state)
    return hs, (hs, cs, gates, recurrent, lengths)


def _backward(kept, slopes: jax.Array):
    hs, cs, gates, recurrent, lengths = kept
    ways, n, B, size = hs.shape
    steps = _steps(lengths, n)
    transposed = jnp.swapaxes(recurrent, 1, 2)  # once, not at every word

    def step(back, state):
        dh, dc, dz = state
        i = steps - 1 - back
        entry, forget, content, exit_ = jnp.split(gates[:, i], 4, -1)
        before = jnp.where(i > 0, cs[:, jnp.maximum(i - 1, 0)], 0.0)
        squashed = jnp.tanh(cs[:, i])
        dh = dh + slopes[:, i]
        dc = dc + dh * exit_ * (1.0 - squashed * squashed)
        now = jnp.concatenate(
            [
                dc * content * entry * (1.0 - entry),
                dc * before * forget * (1.0 - forget),
                dc * entry * (1.0 - content * content),
                dh * squashed * exit_ * (1.0 - exit_),
            ],
            -1,
        )
        return jnp.einsum("wbg,wgh->wbh", now, transposed), dc * forget, _put(dz, now, i)

    zero = jnp.zeros((ways, B, size), hs.dtype)
    _, _, dz = jax.lax.fori_loop(0, steps, step, (zero, zero, jnp.zeros_like(gates)))
    # Every word's state before it, and its slopes.
    before = hs[:, :-1].reshape(ways, -1, size)
    after = dz[:, 1:].reshape(ways, -1, 4 * size)
    return dz, jnp.einsum("wkh,wkg->whg", before, after), None


recurrence.defvjp(_forward, _backward)
