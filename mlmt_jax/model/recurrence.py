"""The LSTM's loop over words, with its gradient by hand: the time of a training step is spent here.

Three things are had that differentiating a ``scan`` does not give: no step is taken, and hardly anything
computed, for padding; the gradient of the weights is one large product instead of a small one a word; and
activations are written once, as the backward loop reads them.

Packed words (``Batch``) of one number within their sentences are neighbours, those of the longest sentence
first. So each step reads and writes a window of as many words as there are sentences. The sentences that are
over already meet the words of the next step there: they compute what nobody reads, and the next step
overwrites it.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap

__all__ = ["recurrence"]

# Into so many parts a CPU cuts the places of packed words, to multiply no more of them than hold words.
_PARTS = 8


def _steps(starts: jax.Array) -> jax.Array:
    """How far to go. A GPU goes to the end: asking it how far would cost more than the padding."""
    longest = lambda starts: jnp.sum(starts[1:] > starts[:-1], dtype=jnp.int32)
    return jax.lax.platform_dependent(
        starts, cpu=longest, default=lambda starts: jnp.int32(starts.shape[0] - 1)
    )


def _quarters(like: jax.Array, *values: float) -> jax.Array:
    return jnp.asarray(np.repeat(np.array(values, like.dtype), like.shape[-1] // 4))


def _gates(z: jax.Array) -> jax.Array:
    """sigmoid, sigmoid, tanh, sigmoid of the quarters i, f, g, o, all by tanh: one vector operation."""
    inner = _quarters(z, 0.5, 0.5, 1.0, 0.5)
    return jnp.tanh(z * inner) * inner + (1.0 - inner)


def _gates_slope(gates: jax.Array) -> jax.Array:
    """The derivative of ``_gates`` by z, from its value y: y (1 - y), for tanh 1 - y y."""
    return _quarters(gates, 0, 0, 1, 0) + _quarters(gates, 1, 1, 0, 1) * gates - gates * gates


def _window(values: jax.Array, start: jax.Array, rows: int) -> jax.Array:
    return jax.lax.dynamic_slice_in_dim(values, start, rows, 1)


def _put(values: jax.Array, value: jax.Array, start: jax.Array) -> jax.Array:
    return jax.lax.dynamic_update_slice_in_dim(values, value, start, 1)


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


def _cell(gates: jax.Array, c: jax.Array) -> tuple[jax.Array, jax.Array]:
    """h and c after a word, from its gates and c before it."""
    entry, forget, content, exit_ = jnp.split(gates, 4, -1)
    c = forget * c + entry * content
    return exit_ * jnp.tanh(c), c


@partial(jax.custom_vjp, nondiff_argnums=(5,))
def _recurrence(
    inputs: jax.Array, kernel: jax.Array, recurrent: jax.Array, bias: jax.Array, starts: jax.Array, rows: int
) -> jax.Array:
    # One product a word of input and state together: nothing as wide as the gates is kept for all words.
    weights = jnp.concatenate([kernel, recurrent], 1)

    def step(i, state):
        h, c, hs = state
        read = jnp.concatenate([_window(inputs, starts[i], rows), h], -1)
        h, c = _cell(_gates(jnp.einsum("wbk,wkg->wbg", read, weights) + bias[:, None]), c)
        return h, c, _put(hs, h, starts[i])

    (ways, P, _), size = inputs.shape, recurrent.shape[1]
    zero = jnp.zeros((ways, rows, size), inputs.dtype)
    return jax.lax.fori_loop(0, _steps(starts), step, (zero, zero, jnp.zeros((ways, P, size), inputs.dtype)))[
        2
    ]


def _side_by_side(run: Callable[..., tuple[jax.Array, ...]]) -> Callable[..., tuple[jax.Array, ...]]:
    """``run(*arrays (ways, ...), starts)``, where under ``vmap`` runs that share ``starts`` are further ways.

    Products have one batch axis then: with two, XLA multiplies several times slower on a CPU.
    """

    @custom_vmap
    def single(*args):
        return run(*args)

    @single.def_vmap
    def _(size: int, batched, *args):
        *arrays, starts = args
        if batched[-1] or not all(batched[:-1]):
            out = jax.vmap(run, [0 if own else None for own in batched])(*args)
        else:
            merged = single(*(x.reshape(-1, *x.shape[2:]) for x in arrays), starts)
            out = jax.tree.map(lambda x: x.reshape(size, -1, *x.shape[1:]), merged)
        return out, jax.tree.map(lambda _: True, out)

    return single


def _forward(
    inputs: jax.Array, kernel: jax.Array, recurrent: jax.Array, bias: jax.Array, starts: jax.Array, rows: int
):
    run = _side_by_side(partial(_forward_pass, rows))
    out, hs, cs, gates = run(inputs, kernel, recurrent, bias, starts)
    return out, (inputs, hs, cs, gates, kernel, recurrent, starts)


def _backward(rows: int, kept, slopes: jax.Array):
    *arrays, starts = kept
    return *_side_by_side(partial(_backward_pass, rows))(*arrays, slopes, starts), None


def _forward_pass(
    rows: int,
    inputs: jax.Array,
    kernel: jax.Array,
    recurrent: jax.Array,
    bias: jax.Array,
    starts: jax.Array,
) -> tuple[jax.Array, ...]:
    projected = _projected(inputs, kernel, bias, starts)

    def step(i, state):
        h, c, hs, cs, gates = state
        at = starts[i]
        now = _gates(_window(projected, at, rows) + jnp.einsum("wbh,whg->wbg", h, recurrent))
        hs, cs = _put(hs, h, at), _put(cs, c, at)
        return *_cell(now, c), hs, cs, _put(gates, now, at)

    (ways, P, _), size = inputs.shape, recurrent.shape[1]
    zero = jnp.zeros((ways, rows, size), inputs.dtype)
    empty = jnp.zeros((ways, P, size), inputs.dtype)
    # Of every word: h and c before it, and its gates. What comes after follows from these, for all at once.
    state = zero, zero, empty, empty, jnp.zeros_like(projected)
    _, _, hs, cs, gates = jax.lax.fori_loop(0, _steps(starts), step, state)
    return _cell(gates, cs)[0], hs, cs, gates


def _projected(inputs: jax.Array, kernel: jax.Array, bias: jax.Array, starts: jax.Array) -> jax.Array:
    """W x + b of every word, (ways, P, 4 h)."""
    project = lambda x: (jnp.einsum("wpd,wdg->wpg", x, kernel) + bias[:, None],)
    return _of_words(project, starts, inputs)[0]


def _of_words(run: Callable[..., tuple[jax.Array, ...]], starts: jax.Array, *arrays: jax.Array):
    """``run(*arrays)`` of packed words, (ways, P, ...), where a CPU leaves out most places without a word.

    The first result of ``run`` has one row a word; it is filled up with zeros.
    """

    def of_words_there(starts, *arrays):
        P = arrays[0].shape[1]
        sizes = [P * k // _PARTS for k in range(1, _PARTS + 1)]

        def of_first(size):
            def cut(*arrays):
                rows, *others = run(*(x[:, :size] for x in arrays))
                return jnp.pad(rows, [(0, 0), (0, P - size), (0, 0)]), *others

            return cut

        enough = jnp.sum(starts[-1] > jnp.array(sizes), dtype=jnp.int32)
        return jax.lax.switch(enough, [of_first(size) for size in sizes], *arrays)

    every = lambda starts, *arrays: run(*arrays)
    return jax.lax.platform_dependent(starts, *arrays, cpu=of_words_there, default=every)


def _backward_pass(
    rows: int,
    inputs: jax.Array,
    hs: jax.Array,
    cs: jax.Array,
    gates: jax.Array,
    kernel: jax.Array,
    recurrent: jax.Array,
    slopes: jax.Array,
    starts: jax.Array,
) -> tuple[jax.Array, ...]:
    """The gradients by inputs, kernel, recurrent and bias."""
    steps = _steps(starts)
    # All that the loop need not compute: how a word's c moves with its h, and its gates with c and h.
    entry, forget, content, exit_ = jnp.split(gates, 4, -1)
    squashed = jnp.tanh(forget * cs + entry * content)
    of_h = exit_ * (1.0 - squashed * squashed)
    of_gates = jnp.concatenate([content, cs, entry, squashed], -1) * _gates_slope(gates)

    across = jnp.swapaxes(recurrent, 1, 2)  # once, lest each word's product read weights across

    def step(back, state):
        dh, dc, dz = state
        i = steps - 1 - back
        at, there = starts[i], (jnp.arange(rows) < starts[i + 1] - starts[i])[:, None]
        # Sentences that are over by now have had no slope yet: all of theirs stay 0.
        dh = dh + jnp.where(there, _window(slopes, at, rows), 0.0)
        dc = dc + dh * _window(of_h, at, rows)
        now = jnp.concatenate([dc, dc, dc, dh], -1) * _window(of_gates, at, rows)
        dz = _put(dz, jnp.where(there, now, _window(dz, at, rows)), at)
        return jnp.einsum("wbg,wgh->wbh", now, across), dc * _window(forget, at, rows), dz

    zero = jnp.zeros_like(hs, shape=(hs.shape[0], rows, hs.shape[2]))
    _, _, dz = jax.lax.fori_loop(0, steps, step, (zero, zero, jnp.zeros_like(gates)))
    return _gradients(inputs, hs, dz, kernel, starts)


def _gradients(
    inputs: jax.Array, hs: jax.Array, dz: jax.Array, kernel: jax.Array, starts: jax.Array
) -> tuple[jax.Array, ...]:
    """The gradients by inputs, kernel, recurrent and bias, from those by W x + U h + b of every word."""

    def run(inputs, hs, dz):
        against = lambda values: jnp.einsum("wpk,wpg->wkg", values, dz)
        return jnp.einsum("wpg,wdg->wpd", dz, kernel), against(inputs), against(hs), jnp.sum(dz, 1)

    return _of_words(run, starts, inputs, hs, dz)


_recurrence.defvjp(_forward, _backward)
