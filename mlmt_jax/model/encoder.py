"""Word embeddings and the (bidirectional) LSTM over sentences."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from mlmt_jax.model.components import orthogonal
from mlmt_jax.model.masking import dropout
from mlmt_jax.model.recurrence import recurrence

__all__ = ["LSTM", "WordEmbedding"]


class WordEmbedding(nn.Module):
    """One row a word. Rows that come from a vector file are put in by ``put_vectors``."""

    rows: int
    dimension: int

    @nn.compact
    def __call__(self, words: jax.Array) -> jax.Array:
        """(...) int32 -> (..., dimension) float32."""
        if not self.is_initializing():  # a step differentiates by the rows that it gathered, alone
            return self.get_variable("params", "table")[words]
        table = self.param("table", nn.initializers.xavier_normal(), (self.rows, self.dimension))
        return table[words]


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
    def __call__(
        self, x: jax.Array, back: jax.Array, starts: jax.Array, rows: int, drawn: Sequence[jax.Array] = ()
    ) -> jax.Array:
        """Packed words (P, d) of ``rows`` sentences -> (P, features).

        ``back`` and ``starts`` are as in ``Batch``. What stands where there is no word means nothing. Dropout
        between layers acts where random bits are given for it, (P, features) each.
        """
        for layer in range(self.num_layers):
            if layer > 0 and drawn:
                x = dropout(x, self.dropout, drawn[layer - 1])
            x = self._layer(layer, x, back, starts, rows)
        return x

    def _layer(self, layer: int, x: jax.Array, back: jax.Array, starts: jax.Array, rows: int) -> jax.Array:
        # Both directions step together: half the dependent steps, and half to compile.
        size, ways = self.hidden_size, 2 if self.bidirectional else 1
        kernel = self.param(f"kernel_{layer}", _orthogonal_gates, (ways, x.shape[-1], 4 * size))
        recurrent = self.param(f"recurrent_{layer}", _orthogonal_gates, (ways, size, 4 * size))
        bias = self.param(f"bias_{layer}", self._bias, (ways, 4 * size))
        # The second direction reads each sentence from its own end.
        inputs = jnp.stack([x, _turned(x, back)][:ways])
        outputs = recurrence(inputs, kernel, recurrent, bias, starts, rows)
        return jnp.concatenate([outputs[0], _turned(outputs[1], back)] if ways == 2 else [outputs[0]], -1)

    def _bias(self, key: jax.Array, shape: tuple[int, int]) -> jax.Array:
        size = self.hidden_size
        return jnp.zeros(shape).at[:, size : 2 * size].set(self.forget_bias)


@jax.custom_vjp
def _turned(x: jax.Array, back: jax.Array) -> jax.Array:
    """x[back]; ``back`` is its own inverse, so the gradient takes no sums."""
    return x[back]


_turned.defvjp(lambda x, back: (x[back], back), lambda back, slopes: (slopes[back], None))


def _orthogonal_gates(key: jax.Array, shape: tuple[int, int, int]) -> jax.Array:
    ways, rows, columns = shape
    block = (ways, 4, rows, columns // 4)
    drawn = jax.vmap(jax.vmap(lambda k: orthogonal(k, block[2:])))(jax.random.split(key, block[:2]))
    return jnp.moveaxis(drawn, 1, 2).reshape(shape)
