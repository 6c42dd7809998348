"""Word embeddings and the (bidirectional) LSTM over sentences."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from mlmt_jax.model.components import orthogonal
from mlmt_jax.model.masking import dropout, length_mask
from mlmt_jax.model.recurrence import recurrence

__all__ = ["LSTM", "WordEmbedding"]


class WordEmbedding(nn.Module):
    """One row a word. Rows that come from a vector file are put in by ``init_params``."""

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

    Words come as indices into inputs, so that an input that occurs several times meets W once.
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
        self, x: jax.Array, tokens: jax.Array, lengths: jax.Array, key: jax.Array | None = None
    ) -> jax.Array:
        """Inputs (u, d), tokens (B, n) int32 into them, lengths (B,) -> (B, n, features); 0 beyond them."""
        tokens = jnp.asarray(tokens)
        B, n = tokens.shape
        for layer in range(self.num_layers):
            if layer > 0:
                tokens = jnp.arange(B * n).reshape(B, n)
                if key is not None:
                    x = dropout(x, self.dropout, jax.random.fold_in(key, layer))
                x = x.reshape(B * n, -1)
            x = self._layer(layer, x, tokens, lengths)
        return x

    def _layer(self, layer: int, x: jax.Array, tokens: jax.Array, lengths: jax.Array) -> jax.Array:
        # Both directions step together: half the dependent steps, and half to compile.
        size, ways = self.hidden_size, 2 if self.bidirectional else 1
        kernel = self.param(f"kernel_{layer}", _orthogonal_gates, (ways, x.shape[-1], 4 * size))
        recurrent = self.param(f"recurrent_{layer}", _orthogonal_gates, (ways, size, 4 * size))
        bias = self.param(f"bias_{layer}", self._bias, (ways, 4 * size))
        B, n = tokens.shape
        place = jnp.arange(n)[:, None]
        # The second direction reads each sentence from its own end; what lies beyond comes last both times.
        back = jnp.where(place < lengths, lengths - 1 - place, place)  # (n, B), its own inverse
        places = jnp.stack([jnp.broadcast_to(place, (n, B)), back][:ways])  # (ways, n, B)
        way, sentence = jnp.arange(ways)[:, None, None], jnp.arange(B)
        projected = jnp.einsum("ud,wdg->wug", x, kernel) + bias[:, None]
        outputs = recurrence(projected[way, tokens[sentence, places]], recurrent, lengths)  # (ways, n, B, h)
        in_order = jnp.transpose(outputs[way, places, sentence], (2, 1, 0, 3))
        return jnp.where(length_mask(lengths, n)[..., None, None], in_order, 0.0).reshape(B, n, -1)

    def _bias(self, key: jax.Array, shape: tuple[int, int]) -> jax.Array:
        size = self.hidden_size
        return jnp.zeros(shape).at[:, size : 2 * size].set(self.forget_bias)


def _orthogonal_gates(key: jax.Array, shape: tuple[int, int, int]) -> jax.Array:
    ways, rows, columns = shape
    block = (ways, 4, rows, columns // 4)
    drawn = jax.vmap(jax.vmap(lambda k: orthogonal(k, block[2:])))(jax.random.split(key, block[:2]))
    return jnp.moveaxis(drawn, 1, 2).reshape(shape)
