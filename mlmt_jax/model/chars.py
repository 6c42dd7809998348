"""A word's features from its characters: convolution, maximum over time, highway layers."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from mlmt_jax.model.components import Linear

__all__ = ["CharCNN", "Highway"]


class CharCNN(nn.Module):
    """max over time of relu(conv(E(c))) (Kim et al. 2016), for words of any number of characters.

    A filter of width k sees the windows that lie within the word, and one window, filled up with
    zeros, where the word is shorter than k: so a word's features never depend on padding.

    The alphabet is projected through every filter tap once and the projections are gathered: an
    alphabet is small, and the gradient of a convolution over gathered embeddings is slow on a CPU.
    """

    characters: int  # table rows, row 0 ("no character") has no parameters
    dimension: int
    filters: tuple[tuple[int, int], ...]  # (width, count) pairs

    @property
    def features(self) -> int:
        """Features of a word."""
        return sum(count for _, count in self.filters)

    @nn.compact
    def __call__(self, chars: jax.Array) -> jax.Array:
        """(..., c) int32, 0 behind a word's last character -> (..., features) float32."""
        table = self.param("table", nn.initializers.xavier_normal(), (self.characters - 1, self.dimension))
        table = jnp.concatenate([jnp.zeros_like(table[:1]), table])
        c = chars.shape[-1]
        length = jnp.sum(chars > 0, -1)
        pooled = []
        for i, (width, count) in enumerate(self.filters):
            # Kim's filters are small: LeCun's scale over a window keeps the features near unit size.
            kernel = self.param(
                f"kernel_{i}", nn.initializers.lecun_normal((0, 1), 2), (width, self.dimension, count)
            )
            bias = self.param(f"bias_{i}", nn.initializers.zeros_init(), (count,))
            projected = jnp.einsum("ad,wdf->awf", table, kernel).reshape(len(table), -1)
            gathered = projected[jnp.pad(chars, [(0, 0)] * (chars.ndim - 1) + [(0, width - 1)])]
            window = bias
            for j in range(width):
                window = window + gathered[..., j : j + c, j * count : (j + 1) * count]
            inside = (jnp.arange(c) <= jnp.maximum(length - width, 0)[..., None])[..., None]
            # relu is at least 0, so a 0 outside the word never wins against what lies inside.
            pooled.append(jnp.max(jnp.where(inside, nn.relu(window), 0.0), -2))
        return jnp.concatenate(pooled, -1)


class Highway(nn.Module):
    """Highway layers (Srivastava et al. 2015): g * f(W x + b) + (1 - g) * x, g = sigmoid(W_g x + b_g)."""

    num_layers: int
    activation: Callable[[jax.Array], jax.Array]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(..., d) -> (..., d)."""
        for i in range(self.num_layers):
            gate = nn.sigmoid(Linear(x.shape[-1], name=f"gate_{i}")(x))
            x = gate * self.activation(Linear(x.shape[-1], name=f"transform_{i}")(x)) + (1.0 - gate) * x
        return x
