"""The LSTM's loop over words, with its gradient by hand: the time of a training step is spent here.

Two things are had on any device that differentiating a ``scan`` does not give: the gradient of the weights is
one large product instead of a small one a word, and activations are written once, as the backward loop reads
them. What else a device gains by is in ``recurrence_cpu`` and ``recurrence_gpu``.

Packed words (``Batch``) of one number within their sentences are neighbours, those of the longest sentence
first. So each step reads and writes a window of as many words as there are sentences. The sentences that are
over already meet the words of the next step there: they compute what nobody reads, and the next step
overwrites it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from mlmt_jax.model import cpu_loop as cpu
from mlmt_jax.model import gpu_loop as gpu
from mlmt_jax.model.lstm_cell import cell

__all__ = ["recurrence"]


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
    loops = partial(cpu.forward_loop, rows, False), partial(gpu.forward_loop, rows, False)
    return jnp.concatenate([hs for (hs,) in _by_way(*loops, starts, inputs, kernel, recurrent, bias)])


def _forward(
    inputs: jax.Array, kernel: jax.Array, recurrent: jax.Array, bias: jax.Array, starts: jax.Array, rows: int
):
    loops = partial(cpu.forward_loop, rows, True), partial(gpu.forward_loop, rows, True)
    kept = _by_way(*loops, starts, inputs, kernel, recurrent, bias)
    outputs = jnp.concatenate([cell(gates, cs)[0] for _, cs, gates in kept])
    return outputs, (inputs, kept, kernel, recurrent, starts)


def _backward(rows: int, saved, slopes: jax.Array):
    inputs, kept, kernel, recurrent, starts = saved
    # Taken apart again in the same way, which costs nothing.
    hs, cs, gates = map(jnp.concatenate, zip(*kept, strict=True))
    arrays = inputs, hs, cs, gates, kernel, recurrent, slopes
    passes = partial(cpu.backward_pass, rows), partial(gpu.backward_pass, rows)
    found = _by_way(*passes, starts, *arrays)
    return *map(jnp.concatenate, zip(*found, strict=True)), None


_recurrence.defvjp(_forward, _backward)


def _by_way(
    on_cpu: Callable[..., Any], on_gpu: Callable[..., Any], starts: jax.Array, *arrays: jax.Array
) -> list[tuple[jax.Array, ...]]:
    """What the device's function gives for each way, whose axis has a length of 1.

    ``on_cpu(starts, groups)`` gets the ways one by one, ``on_gpu(starts, *arrays)`` all at once.
    """
    ways = len(arrays[0])

    def apart(arrays: tuple[jax.Array, ...]) -> list[tuple[jax.Array, ...]]:
        return list(zip(*(jnp.split(x, ways) for x in arrays), strict=True))

    return jax.lax.platform_dependent(
        starts,
        *arrays,
        cpu=lambda starts, *arrays: list(on_cpu(starts, apart(arrays))),
        default=lambda starts, *arrays: apart(on_gpu(starts, *arrays)),
    )
