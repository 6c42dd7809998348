"""Linear layers: the heads of the tagger, its gates, and the parts of the highway layers."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

__all__ = ["MLP", "Linear", "orthogonal", "side_by_side"]


def orthogonal(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """A random matrix with orthonormal rows or columns, whichever are fewer (Saxe et al. 2014).

    It is the polar factor of a Gaussian matrix, which is uniform over such matrices, by Newton-Schulz
    iterations. These are matrix products alone: the usual QR calls LAPACK, which inside a larger
    program has been seen to wait for itself on two cores, and it is slow to compile.
    """
    x = jax.random.normal(key, (min(shape), max(shape)))
    x = x / jnp.linalg.norm(x)
    # Each iteration lifts the smallest singular value by half: 40 are enough for a 1000 x 1000 matrix.
    product = lambda a, b: jnp.matmul(a, b, precision="highest")
    x = jax.lax.fori_loop(0, 40, lambda _, x: 1.5 * x - 0.5 * product(product(x, x.T), x), x)
    return x if shape[0] <= shape[1] else x.T


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
        return kernel, self.param("bias", nn.initializers.zeros_init(), (self.features,))


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

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(..., d) -> (..., features)."""
        for i, size in enumerate(self.hidden):
            x = self.activation(Linear(size, name=f"hidden_{i}")(x))
        return Linear(self.features, name="output")(x)
