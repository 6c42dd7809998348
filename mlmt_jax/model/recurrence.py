"""The LSTM's loop over words with a gradient of its own: most of a training step's time is spent here.

The gradient saves two things compared with differentiating a ``scan``. The gradient of the weights is one
large product instead of a small one per word. And activations are written once, in the order in which the
backward loop reads them. ``cpu_loop`` and ``gpu_loop`` do what helps one platform.

Packed words (``PackedSentences``) with the same number in their sentences are neighbours, the longest
sentence first. So each step reads and writes one window of as many words as there are sentences. Rows of
sentences that have ended read words of the next step. Their results are never used, and the next step
overwrites them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from mlmt_jax.model import cpu_loop, gpu_loop
from mlmt_jax.model.lstm_cell import LSTMWeights, cell
from mlmt_jax.types import Array


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def recurrence(inputs: jax.Array, weights: LSTMWeights, step_starts: Array, rows: int) -> jax.Array:
    """Compute the hidden states of LSTMs that start from 0, (directions, P, h) float.

    The result can be differentiated once in reverse mode, by inputs and weights.

    Args:
        inputs: (directions, P, d) float, packed words in the order in which each direction reads a sentence;
            at least ``rows`` of them, at the end, are padding. That is not checked.
        weights: of each direction.
        step_starts: (n + 1,) int32, index of the first packed word of each step.
        rows: number of sentences; static.

    Returns:
        The states after each word, in the order of ``inputs``; undefined for padding.
    """
    # No activations are kept: there is no backward loop.
    loops = partial(cpu_loop.forward_loop, rows, False), partial(gpu_loop.forward_loop, rows, False)
    return jnp.concatenate([h for (h,) in _by_platform(*loops, step_starts, inputs, weights)])


def _forward(inputs: jax.Array, weights: LSTMWeights, step_starts: Array, rows: int):
    """Compute ``recurrence``, and the residuals for ``_backward``."""
    loops = partial(cpu_loop.forward_loop, rows, True), partial(gpu_loop.forward_loop, rows, True)
    activations = _by_platform(*loops, step_starts, inputs, weights)
    outputs = jnp.concatenate([cell(gates, c)[0] for _, c, gates in activations])
    return outputs, (inputs, weights, activations, step_starts)


def _backward(rows: int, residuals, slopes: jax.Array):
    """Compute the gradients by inputs, weights and step starts (None).

    Args:
        rows: number of sentences.
        residuals: from ``_forward``.
        slopes: (directions, P, h), gradient by the states after each word.
    """
    inputs, weights, activations, step_starts = residuals
    # ``_by_platform`` splits them again in the same way, which costs nothing.
    trees = inputs, weights, _concatenate(activations), slopes
    passes = partial(cpu_loop.backward_pass, rows), partial(gpu_loop.backward_pass, rows)
    return *_concatenate(_by_platform(*passes, step_starts, *trees)), None


recurrence.defvjp(_forward, _backward)


def _by_platform(
    on_cpu: Callable[..., Any], on_gpu: Callable[..., Any], step_starts: Array, *trees: Any
) -> list[Any]:
    """Run the function of the device's platform; return its result for each direction.

    Args:
        on_cpu: called as ``on_cpu(step_starts, directions)``, with one tuple of trees for each direction, in
            which that axis has size 1; returns a list of trees.
        on_gpu: called as ``on_gpu(step_starts, *trees)``; returns one tree.
        step_starts: (n + 1,) int32.
        trees: arrays with a leading axis of directions.
    """
    count = len(jax.tree.leaves(trees)[0])

    def split(tree: Any) -> list[Any]:
        slices = [partial(jax.lax.slice_in_dim, start_index=i, limit_index=i + 1) for i in range(count)]
        return [jax.tree.map(part, tree) for part in slices]

    return jax.lax.platform_dependent(
        step_starts,
        *trees,
        cpu=lambda step_starts, *trees: list(on_cpu(step_starts, split(trees))),
        default=lambda step_starts, *trees: split(on_gpu(step_starts, *trees)),
    )


def _concatenate(directions: list[Any]) -> Any:
    """Return trees of one direction each as one tree, whose arrays have a leading axis of directions."""
    return jax.tree.map(lambda *arrays: jnp.concatenate(arrays), *directions)
