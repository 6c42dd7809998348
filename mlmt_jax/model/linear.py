"""Linear layers: the heads of the tagger, its gates, and the parts of the highway layers.

Modules of the model create their parameters in a method ``weights`` that computes nothing else, so that a
model is initialised without compiling a program.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from mlmt_jax.model.initializers import orthogonal, zeros

#: Precision of all matrix products: float32. The default of a GPU is TF32 from the Ampere generation on, of
#: which three digits are right.
PRECISION = "highest"


class Linear(nn.Module):
    """A linear layer W x + b, whose W is orthogonal at the start."""

    features: int

    def __call__(self, x: jax.Array) -> jax.Array:
        """Compute (..., d) -> (..., features)."""
        kernel, bias = self.weights(x.shape[-1])
        return x @ kernel + bias

    @nn.compact
    def weights(self, inputs: int) -> tuple[jax.Array, jax.Array]:
        """Return W (inputs, features) and b (features,), the parameters "kernel" and "bias"; y = x W + b."""
        kernel = self.param("kernel", orthogonal, (inputs, self.features))
        return kernel, self.param("bias", zeros, (self.features,))


def apply_together(x: jax.Array, weights: Sequence[tuple[jax.Array, jax.Array]]) -> list[jax.Array]:
    """Apply several linear layers to the same input in one matrix product.

    A narrow product takes about as long as one three times as wide.

    Args:
        x: (..., d) float32.
        weights: a kernel (d, features) and a bias (features,) for each layer.

    Returns:
        x @ kernel + bias of each layer, (..., features), in their order.
    """
    kernels, biases = zip(*weights, strict=True)
    ends = np.cumsum([kernel.shape[-1] for kernel in kernels])
    return jnp.split(x @ jnp.concatenate(kernels, -1) + jnp.concatenate(biases), ends[:-1], -1)


class MLP(nn.Module):
    """Hidden layers of the given sizes, each followed by the activation, then a linear layer."""

    features: int
    hidden: tuple[int, ...] = ()
    activation: Callable[[jax.Array], jax.Array] = nn.tanh

    def __call__(self, x: jax.Array) -> jax.Array:
        """Compute (..., d) -> (..., features)."""
        *hidden, (kernel, bias) = self.weights(x.shape[-1])
        for hidden_kernel, hidden_bias in hidden:
            x = self.activation(x @ hidden_kernel + hidden_bias)
        return x @ kernel + bias

    @nn.compact
    def weights(self, inputs: int) -> list[tuple[jax.Array, jax.Array]]:
        """Return W (inputs of the layer, outputs) and b (outputs,) of each layer, the output layer last.

        Parameters are "hidden_0", ..., and "output", each with "kernel" and "bias".

        Args:
            inputs: number of features of the input of the first layer.
        """
        names = [*(f"hidden_{i}" for i in range(len(self.hidden))), "output"]
        sizes = zip(names, [inputs, *self.hidden], [*self.hidden, self.features], strict=True)
        return [Linear(outputs, name=name).weights(inputs) for name, inputs, outputs in sizes]
