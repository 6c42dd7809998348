"""Word embeddings and the (bidirectional) LSTM over sentences."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from mlmt_jax.model.initializers import by_numpy, orthogonal_matrices, xavier_normal
from mlmt_jax.model.masking import dropout
from mlmt_jax.model.recurrence import recurrence

__all__ = ["LSTM", "WordEmbedding"]


class WordEmbedding(nn.Module):
    """One row a word. Rows that come from a vector file are put in by ``put_vectors``."""

    rows: int
    dimension: int

    @nn.compact
    def weights(self) -> jax.Array:
        """The table."""
        return self.param("table", xavier_normal, (self.rows, self.dimension))

    def __call__(self, words: jax.Array) -> jax.Array:
        """(...) int32 -> (..., dimension) float32."""
        # Not by ``weights``: a step differentiates by the rows that it gathered, a smaller table.
        return self.get_variable("params", "table")[words]


class LSTM(nn.Module):
    """An LSTM (Hochreiter & Schmidhuber 1997; Gers et al. 2000) over sentences.

        i, f, g, o = split(W x_t + U h_(t-1) + b)
        c_t = sigmoid(f) * c_(t-1) + sigmoid(i) * tanh(g)
        h_t = sigmoid(o) * tanh(c_t)

    Each gate's block of W and of U is orthogonal at the start. The backward direction starts from
    the sentence's last word, whatever padding follows it.

    Words come packed (``Batch``): padding costs nothing here.
    """

    hidden_size: int
    bidirectional: bool
    forget_bias: float  # the forget gate's bias at the start; the others are 0
    num_layers: int
    dropout: float  # between layers

    @property
    def features(self) -> int:
        """Features of a word."""
        return self.hidden_size * (2 if self.bidirectional else 1)

    @nn.compact
    def weights(self, inputs: int) -> list[tuple[jax.Array, jax.Array, jax.Array]]:
        """W (ways, d, 4 h), U (ways, h, 4 h) and b (ways, 4 h) of each layer."""
        size, ways = self.hidden_size, 2 if self.bidirectional else 1
        found = []
        for layer in range(self.num_layers):
            kernel = self.param(f"kernel_{layer}", _orthogonal_gates, (ways, inputs, 4 * size))
            recurrent = self.param(f"recurrent_{layer}", _orthogonal_gates, (ways, size, 4 * size))
            found.append((kernel, recurrent, self.param(f"bias_{layer}", self._bias, (ways, 4 * size))))
            inputs = self.features
        return found

    def __call__(
        self,
        x: jax.Array,
        reversal: jax.Array,
        step_starts: jax.Array,
        rows: int,
        random_bits: Sequence[jax.Array] = (),
    ) -> jax.Array:
        """Packed words (P, d) of ``rows`` sentences -> (P, features).

        ``reversal`` and ``step_starts`` are as in ``PackedSentences``. What stands where there is no word means nothing. Dropout
        between layers acts where random bits are given for it, (P, features) each.
        """
        for layer, weights in enumerate(self.weights(x.shape[-1])):
            if layer > 0 and random_bits:
                x = dropout(x, self.dropout, random_bits[layer - 1])
            # The second direction reads each sentence from its own end.
            inputs = jnp.stack([x, _reversed(x, reversal)] if self.bidirectional else [x])
            outputs = recurrence(inputs, *weights, step_starts, rows)
            own = [outputs[0], _reversed(outputs[1], reversal)] if self.bidirectional else [outputs[0]]
            x = jnp.concatenate(own, -1)
        return x

    def _bias(self, key: jax.Array, shape: tuple[int, int]) -> jax.Array:
        bias = np.repeat(np.array([0, self.forget_bias, 0, 0], np.float32), self.hidden_size)
        return jnp.asarray(np.broadcast_to(bias, shape))


@jax.custom_vjp
def _reversed(x: jax.Array, reversal: jax.Array) -> jax.Array:
    """Return ``x[reversal]``. The permutation is its own inverse, so the gradient is a gather, not a scatter."""
    return x[reversal]


_reversed.defvjp(
    lambda x, reversal: (x[reversal], reversal), lambda reversal, slopes: (slopes[reversal], None)
)


@by_numpy
def _orthogonal_gates(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    ways, rows, columns = shape
    return np.moveaxis(orthogonal_matrices(random, (ways, 4, rows, columns // 4)), 1, 2).reshape(shape)
