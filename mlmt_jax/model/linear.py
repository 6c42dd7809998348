"""Linear layers: the heads of the tagger, its gates, and the parts of the highway layers.

Modules of the model make their parameters in a method ``weights``, which computes nothing else: so a model
starts without a program to compile.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from mlmt_jax.model.initializers import orthogonal, zeros

__all__ = ["MLP", "Linear", "side_by_side"]


class Linear(nn.Module):
    """W x + b, W orthogonal at the start."""

    features: int

    def __call__(self, x: jax.Array) -> jax.Array:
        """(..., d) -> (..., features)."""
        kernel, bias = self.weights(x.shape[-1])
        return x @ kernel + bias

    @nn.compact
    def weights(self, inputs: int) -> tuple[jax.Array, jax.Array]:
        """W (inputs, features) and b (features,)."""
        kernel = self.param("kernel", orthogonal, (inputs, self.features))
        return kernel, self.param("bias", zeros, (self.features,))


def side_by_side(x: jax.Array, weights: Sequence[tuple[jax.Array, jax.Array]]) -> list[jax.Array]:
    """What several linear layers give for one x (..., d): (..., features) each.

    Their products are one: a narrow product takes about as long as one three times as wide.
    """
    kernels, biases = zip(*weights, strict=True)
    ends = np.cumsum([kernel.shape[-1] for kernel in kernels])
    return jnp.split(x @ jnp.concatenate(kernels, -1) + jnp.concatenate(biases), ends[:-1], -1)


class MLP(nn.Module):
    """Hidden layers of the given sizes, each with the activation, then a linear layer."""

    features: int
    hidden: tuple[int, ...] = ()
    activation: Callable[[jax.Array], jax.Array] = nn.tanh

    def __call__(self, x: jax.Array) -> jax.Array:
        """(..., d) -> (..., features)."""
        *hidden, (kernel, bias) = self.weights(x.shape[-1])
        for inner, shift in hidden:
            x = self.activation(x @ inner + shift)
        return x @ kernel + bias

    @nn.compact
    def weights(self, inputs: int) -> list[tuple[jax.Array, jax.Array]]:
        """W and b of each layer."""
        names = [*(f"hidden_{i}" for i in range(len(self.hidden))), "output"]
        sizes = [*self.hidden, self.features]
        return [
            Linear(size, name=name).weights(before)
            for name, before, size in zip(names, [inputs, *sizes], sizes, strict=False)
        ]
