"""The LSTM's loop over words, with its gradient by hand: the time of a training step is spent here.

Three things are had that differentiating a ``scan`` does not give: the loop ends with the longest sentence,
whatever the batch is padded to; the gradient of the recurrent weights is a few large products instead of one
small one a word; and activations are written once, as the backward loop reads them.
"""

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

__all__ = ["recurrence"]

# So many words go into one product of the recurrent weights' gradient.
_WORDS_A_PRODUCT = 8


@custom_vmap
def _longest(lengths: jax.Array) -> jax.Array:
    return jnp.max(lengths)


@_longest.def_vmap
def _(size, batched, lengths):
    # One number for runs side by side too: a loop that ends for each by itself would mask every write.
    return jnp.max(lengths), False


def _steps(lengths: jax.Array, n: int) -> jax.Array:
    """How far to go. A GPU goes to the end: asking it how far would cost more than the padding."""
    return jax.lax.platform_dependent(lengths, cpu=_longest, default=lambda _: jnp.int32(n))


def _gates(z: jax.Array) -> jax.Array:
    """sigmoid, sigmoid, tanh, sigmoid of the quarters i, f, g, o, all by tanh: one vector operation."""
    quarter = z.shape[-1] // 4
    inner = jnp.repeat(jnp.array([0.5, 0.5, 1.0, 0.5], z.dtype), quarter, total_repeat_length=z.shape[-1])
    return jnp.tanh(z * inner) * inner + (1.0 - inner)


def _put(values: jax.Array, value: jax.Array, step: jax.Array) -> jax.Array:
    return jax.lax.dynamic_update_index_in_dim(values, value, step, 0)


@jax.custom_vjp
def recurrence(projected: jax.Array, recurrent: jax.Array, lengths: jax.Array) -> jax.Array:
    """Hidden states of LSTMs that start from 0.

    Args:
        projected: (n, ways, B, 4 h) float, W x + b of every word, quarters i, f, g, o.
        recurrent: (ways, h, 4 h) float, U.
        lengths: (B,) int32.

    Returns:
        (n, ways, B, h) float; what stands beyond a sentence's length means nothing.
    """
    return _forward(projected, recurrent, lengths)[0]


def _forward(projected: jax.Array, recurrent: jax.Array, lengths: jax.Array):
    n, ways, B, width = projected.shape
    empty = lambda features: jnp.zeros((n, ways, B, features), projected.dtype)

    def step(i, state):
        h, c, hs, cs, gates = state
        now = _gates(projected[i] + jnp.einsum("wbh,whg->wbg", h, recurrent))
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
    n = len(hs)
    steps = _steps(lengths, n)

    def step(back, state):
        dh, dc, dz = state
        i = steps - 1 - back
        entry, forget, content, exit_ = jnp.split(gates[i], 4, -1)
        before = jnp.where(i > 0, cs[jnp.maximum(i - 1, 0)], 0.0)
        squashed = jnp.tanh(cs[i])
        dh = dh + slopes[i]
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
        return jnp.einsum("wbg,whg->wbh", now, recurrent), dc * forget, _put(dz, now, i)

    zero = jnp.zeros_like(hs[0])
    _, _, dz = jax.lax.fori_loop(0, steps, step, (zero, zero, jnp.zeros_like(gates)))

    # Each word's state before it, and its slopes, in whole blocks; rows of 0 fill the last one up.
    blocks = -(-n // _WORDS_A_PRODUCT)
    fill = ((0, blocks * _WORDS_A_PRODUCT - n), (0, 0), (0, 0), (0, 0))
    before = jnp.pad(jnp.concatenate([jnp.zeros_like(hs[:1]), hs[:-1]]), fill)
    after = jnp.pad(dz, fill)

    def add(block, total):
        part = lambda x: jax.lax.dynamic_slice_in_dim(x, block * _WORDS_A_PRODUCT, _WORDS_A_PRODUCT)
        return total + jnp.einsum("nwbh,nwbg->whg", part(before), part(after))

    used = (steps + _WORDS_A_PRODUCT - 1) // _WORDS_A_PRODUCT
    return dz, jax.lax.fori_loop(0, used, add, jnp.zeros_like(recurrent)), None


recurrence.defvjp(_forward, _backward)
