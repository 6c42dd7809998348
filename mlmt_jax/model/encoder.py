"""The sentence encoder: word embeddings and the (bidirectional) LSTM."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from mlmt_jax.model.initializers import by_numpy, orthogonal_matrices, xavier_normal
from mlmt_jax.model.lstm_cell import LSTMWeights
from mlmt_jax.model.recurrence import recurrence
from mlmt_jax.types import Array


class WordEmbedding(nn.Module):
    """A table with one row per word; ``put_vectors`` writes the rows that come from a vector file."""

    rows: int
    dimension: int

    @nn.compact
    def weights(self) -> jax.Array:
        """Return the table (rows, dimension)."""
        return self.param("table", xavier_normal, (self.rows, self.dimension))

    def __call__(self, rows: Array) -> jax.Array:
        """Gather rows of the table, (...) int32 -> (..., dimension) float32."""
        # Not by ``weights``: a step differentiates by the rows that it has gathered, a smaller table.
        return self.get_variable("params", "table")[rows]


class LSTM(nn.Module):
    """An LSTM (Hochreiter & Schmidhuber 1997; Gers et al. 2000) over packed sentences.

        i, f, g, o = split(W x_t + U h_(t-1) + b)
        c_t = sigmoid(f) * c_(t-1) + sigmoid(i) * tanh(g)
        h_t = sigmoid(o) * tanh(c_t)

    Each gate's block of W and of U is orthogonal at the start. The backward direction starts from the last
    word of a sentence, not from its padding.
    """

    hidden_size: int
    bidirectional: bool
    forget_bias: float  # initial bias of the forget gate; the others are 0
    num_layers: int
    dropout: float  # between layers

    @property
    def features(self) -> int:
        """Features of a word in the output."""
        return self.hidden_size * (2 if self.bidirectional else 1)

    @nn.compact
    def weights(self, inputs: int) -> list[LSTMWeights]:
        """Return the weights of each layer, for words with ``inputs`` features."""
        directions, gates = self.features // self.hidden_size, 4 * self.hidden_size
        biases = np.repeat(np.array([0, self.forget_bias, 0, 0], np.float32), self.hidden_size)
        layers = []
        for layer in range(self.num_layers):
            kernel = self.param(f"kernel_{layer}", _orthogonal_gates, (directions, inputs, gates))
            shape = (directions, self.hidden_size, gates)
            recurrent = self.param(f"recurrent_{layer}", _orthogonal_gates, shape)
            bias = self.param(f"bias_{layer}", lambda _: jnp.asarray(np.tile(biases, (directions, 1))))
            layers.append(LSTMWeights(kernel, recurrent, bias))
            inputs = self.features
        return layers

    def __call__(
        self,
        x: jax.Array,
        reversal: Array,
        step_starts: Array,
        rows: int,
        drops: Sequence[Callable[[jax.Array], jax.Array]] = (),
    ) -> jax.Array:
        """Encode packed words, (P, d) -> (P, features).

        Args:
            x: features of packed words; at least ``rows`` of them, at the end, are padding.
            reversal: (P,) int32, as in ``PackedSentences``.
            step_starts: (n + 1,) int32, as in ``PackedSentences``.
            rows: number of sentences.
            drops: dropout between each two layers, (P, features) -> (P, features); none without dropout.

        Returns:
            The outputs of the last layer; undefined for padding.
        """
        for layer, weights in enumerate(self.weights(x.shape[-1])):
            if layer > 0 and drops:
                x = drops[layer - 1](x)
            inputs = jnp.stack([x, _reverse(x, reversal)] if self.bidirectional else [x])
            forward, *backward = jnp.asarray(recurrence(inputs, weights, jnp.asarray(step_starts), rows))
            x = jnp.concatenate([forward, *(_reverse(outputs, reversal) for outputs in backward)], -1)
        return x


@jax.custom_vjp
def _reverse(x: jax.Array, reversal: jax.Array) -> jax.Array:
    """Return ``x[reversal]``; the permutation is its own inverse, so the gradient needs no scatter."""
    return x[reversal]


_reverse.defvjp(
    lambda x, reversal: (x[reversal], reversal), lambda reversal, slopes: (slopes[reversal], None)
)


@by_numpy
def _orthogonal_gates(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw weights (directions, rows, 4 h) in which each gate's block is orthogonal."""
    directions, rows, columns = shape
    blocks = orthogonal_matrices(random, (directions, 4, rows, columns // 4))
    return np.moveaxis(blocks, 1, 2).reshape(shape)
