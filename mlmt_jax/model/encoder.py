"""Word embeddings and the (bidirectional) LSTM over a sentence."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from mlmt_jax.model.components import orthogonal
from mlmt_jax.model.masking import dropout, length_mask

__all__ = ["LSTM", "WordEmbedding"]


class WordEmbedding(nn.Module):
    """One row a word. Rows that come from a vector file are put in by ``init_params``."""

    rows: int
    dimension: int

    @nn.compact
    def __call__(self, words: jax.Array) -> jax.Array:
        """(...) int32 -> (..., dimension) float32."""
        table = self.param("table", nn.initializers.xavier_normal(), (self.rows, self.dimension))
        return table[words]


class LSTM(nn.Module):
    """An LSTM (Hochreiter & Schmidhuber 1997; Gers et al. 2000) over one sentence.

        i, f, g, o = split(W x_t + U h_(t-1) + b)
        c_t = sigmoid(f) * c_(t-1) + sigmoid(i) * tanh(g)
        h_t = sigmoid(o) * tanh(c_t)

    Each gate's block of W and of U is orthogonal at the start. The backward direction starts from
    the sentence's last word, whatever padding follows it.
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
    def __call__(self, x: jax.Array, length: jax.Array, key: jax.Array | None) -> jax.Array:
        """(n, d) and () int32 -> (n, features); what stands beyond the length is 0."""
        inside = length_mask(length, x.shape[0])
        for layer in range(self.num_layers):
            if layer > 0 and key is not None:
                x = dropout(x, self.dropout, jax.random.fold_in(key, layer))
            x = self._layer(layer, x, inside)
        return x

    def _layer(self, layer: int, x: jax.Array, inside: jax.Array) -> jax.Array:
        # Both directions step together, in one scan: half the dependent steps, and half to compile.
        size, ways = self.hidden_size, 2 if self.bidirectional else 1
        kernel = self.param(f"kernel_{layer}", _orthogonal_gates, (ways, x.shape[-1], 4 * size))
        recurrent = self.param(f"recurrent_{layer}", _orthogonal_gates, (ways, size, 4 * size))
        bias = self.param(f"bias_{layer}", self._bias, (ways, 4 * size))

        def turned(y):  # (n, ways, ...): the second direction from its end, padding first
            return y if ways == 1 else jnp.stack([y[:, 0], y[::-1, 1]], 1)

        def step(state, now):  # state: h, c (ways, size)
            h, c = state
            projected, live = now
            i, f, g, o = jnp.split(projected + jnp.einsum("wh,whg->wg", h, recurrent), 4, -1)
            c = nn.sigmoid(f) * c + nn.sigmoid(i) * nn.tanh(g)
            h = nn.sigmoid(o) * nn.tanh(c)
            state = jnp.where(live, h, 0.0), jnp.where(live, c, 0.0)
            return state, state[0]

        projected = turned(jnp.einsum("nd,wdg->nwg", x, kernel) + bias)
        live = turned(jnp.broadcast_to(inside[:, None, None], (x.shape[0], ways, 1)))
        zeros = jnp.zeros((ways, size), x.dtype)
        _, outputs = jax.lax.scan(step, (zeros, zeros), (projected, live))
        return turned(outputs).reshape(x.shape[0], -1)

    def _bias(self, key: jax.Array, shape: tuple[int, int]) -> jax.Array:
        size = self.hidden_size
        return jnp.zeros(shape).at[:, size : 2 * size].set(self.forget_bias)


def _orthogonal_gates(key: jax.Array, shape: tuple[int, int, int]) -> jax.Array:
    ways, rows, columns = shape
    block = (ways, 4, rows, columns // 4)
    drawn = jax.vmap(jax.vmap(lambda k: orthogonal(k, block[2:])))(jax.random.split(key, block[:2]))
    return jnp.moveaxis(drawn, 1, 2).reshape(shape)
