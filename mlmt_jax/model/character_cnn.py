"""Character features of words: convolution, maximum over time, highway layers."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from mlmt_jax.model.initializers import Initializer, lecun_normal, xavier_normal, zeros
from mlmt_jax.model.linear import Linear, apply_together
from mlmt_jax.types import Array

Filters = tuple[tuple[int, int], ...]  # (width, count) pairs


class CharCNN(nn.Module):
    """The features max over time of relu(conv(E(c))) (Kim et al. 2016) of words of any length.

    A filter of width k sees all windows that lie within the word. If the word is shorter than k, it sees one
    window, padded with zeros. So the features of a word never depend on padding.

    The alphabet is projected through every filter tap once, and the projections are gathered: an alphabet is
    small, and the gradient of a convolution over gathered embeddings is slow on a CPU. Words are stored end
    to end: padding each to the longest would cost several times as much.
    """

    characters: int  # table rows; row 0 ("no character") has no parameters
    dimension: int
    filters: Filters
    draw_table: Initializer = xavier_normal

    @property
    def features(self) -> int:
        """The number of features of a word, the sum of the filters' counts."""
        return sum(count for _, count in self.filters)

    @nn.compact
    def weights(self) -> tuple[jax.Array, list[jax.Array], list[jax.Array]]:
        """Return the parameters "table", "kernel_i" and "bias_i".

        Returns:
            The character table (characters - 1, dimension), whose row 0 is character 1; and for each filter,
            in order, its kernel (width, dimension, count) and its bias (count,).
        """
        table = self.param("table", self.draw_table, (self.characters - 1, self.dimension))
        kernels, biases = [], []
        for i, (width, count) in enumerate(self.filters):
            # Kim's filters are small: LeCun's scale over a window keeps the features near unit size.
            kernels.append(self.param(f"kernel_{i}", lecun_normal, (width, self.dimension, count)))
            biases.append(self.param(f"bias_{i}", zeros, (count,)))
        return table, kernels, biases

    def __call__(self, chars: Array, segment_ids: Array, segment_ends: Array) -> jax.Array:
        """Compute the features of words (U, features) float32, at least 0.

        Args:
            chars: (C,) int32, characters of all words, end to end; padding is 0.
            segment_ids: (C,) int32, word of each character, ascending; padding is U - 1.
            segment_ends: (U,) int32, end (exclusive) of each word's characters; padding is 0.

        Returns:
            The features of each word, in the order of the filters; 0 for a word without characters.
        """
        table, kernels, biases = self.weights()
        table = jnp.concatenate([jnp.zeros_like(table[:1]), table])
        taps = [jnp.einsum("ad,wdf->awf", table, kernel).reshape(len(table), -1) for kernel in kernels]
        C = chars.shape[0]
        left = (segment_ends[segment_ids] - jnp.arange(C))[:, None]  # characters from here to the word's end
        is_first = jnp.concatenate([jnp.ones(1, bool), segment_ids[1:] != segment_ids[:-1]])[:, None]
        projected = jnp.concatenate(taps, -1)[chars]  # (C, all taps of all filters)
        windows = nn.relu(jnp.asarray(_sum_taps(projected, left, self.filters)) + jnp.concatenate(biases))
        # relu is at least 0, so a 0 outside the word never exceeds a value inside.
        widths = np.repeat([width for width, _ in self.filters], [count for _, count in self.filters])
        is_inside = (left >= widths) | (is_first & (left > 0))
        return _segment_max(jnp.where(is_inside, windows, 0.0), segment_ids, segment_ends.shape[0])


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _sum_taps(projected: jax.Array, left: jax.Array, filters: Filters) -> jax.Array:
    """Sum the taps of the window that begins at each character.

    Args:
        projected: (C, taps) float, each character's projection through each tap of each filter.
        left: (C, 1) int, characters from each character to the end of its word.
        filters: (width, count) of each filter; its taps are width * count columns.

    Returns:
        (C, features) float; taps beyond the word count 0.
    """
    sums, column = [], 0
    for width, count in filters:
        window = jnp.zeros(())
        for j in range(width):
            tap = jnp.pad(projected[:, column : column + count], [(0, j), (0, 0)])[j:]
            window = window + jnp.where(left > j, tap, 0.0)
            column += count
        sums.append(window)
    return jnp.concatenate(sums, -1)


def _sum_taps_backward(filters: Filters, left: jax.Array, slopes: jax.Array):
    """Return the gradients of ``_sum_taps`` by the projections (C, taps) and by ``left`` (None).

    Args:
        filters: as in ``_sum_taps``.
        left: (C, 1) int, as in ``_sum_taps``.
        slopes: (C, features) float, gradient by the result.
    """
    # Concatenated: adding up nine wide arrays that are mostly 0 takes several times as long.
    taps, column = [], 0
    for width, count in filters:
        slope = slopes[:, column : column + count]
        for j in range(width):
            taps.append(jnp.pad(jnp.where(left > j, slope, 0.0), [(j, 0), (0, 0)])[: slope.shape[0]])
        column += count
    return jnp.concatenate(taps, -1), None


_sum_taps.defvjp(lambda x, left, filters: (_sum_taps(x, left, filters), left), _sum_taps_backward)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _segment_max(values: jax.Array, segment_ids: jax.Array, segments: int) -> jax.Array:
    """Return the maximum of each segment, (C, f) float32 of at least 0, (C,) int32 -> (segments, f).

    In the gradient, equal maxima of a segment share its slope. A segment without values gets 0.

    Args:
        values: (C, f); negative values count as 0.
        segment_ids: (C,) int32, ascending, which is not checked.
        segments: number of segments.
    """
    zeros = jnp.zeros((segments, values.shape[1]), values.dtype)
    return zeros.at[segment_ids].max(values, indices_are_sorted=True)


def _segment_max_forward(values: jax.Array, segment_ids: jax.Array, segments: int):
    """Return the result of ``_segment_max``, and the residuals for ``_segment_max_backward``."""
    maxima = _segment_max(values, segment_ids, segments)
    return maxima, (values, segment_ids, maxima)


def _segment_max_backward(segments: int, residuals, slopes: jax.Array):
    """Return the gradients of ``_segment_max`` by the values (C, f) and by ``segment_ids`` (None)."""
    values, segment_ids, maxima = residuals
    is_max = (values == maxima[segment_ids]).astype(values.dtype)
    counts = jnp.zeros_like(maxima).at[segment_ids].add(is_max, indices_are_sorted=True)
    return is_max * (slopes / jnp.maximum(counts, 1.0))[segment_ids], None


_segment_max.defvjp(_segment_max_forward, _segment_max_backward)


class Highway(nn.Module):
    """Highway layers (Srivastava et al. 2015): g * f(W x + b) + (1 - g) * x, g = sigmoid(W_g x + b_g)."""

    num_layers: int
    activation: Callable[[jax.Array], jax.Array]

    @nn.compact
    def weights(self, size: int) -> list[list[tuple[jax.Array, jax.Array]]]:
        """Return W (size, size) and b (size,) of each layer: a list of layers, each [gate, transform]."""
        return [
            [Linear(size, name=f"{part}_{i}").weights(size) for part in ("gate", "transform")]
            for i in range(self.num_layers)
        ]

    def __call__(self, x: jax.Array) -> jax.Array:
        """Compute the output of all layers, (..., d) -> (..., d); without layers it is ``x``."""
        for layer in self.weights(x.shape[-1]):
            gate, transform = apply_together(x, layer)
            gate = nn.sigmoid(gate)
            x = gate * self.activation(transform) + (1.0 - gate) * x
        return x
