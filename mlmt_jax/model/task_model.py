"""One task model: from a batch of sentences to emissions and losses.

    x_i = dropout([E(w_i); highway(charcnn(c_i))])        h = dropout(LSTM(x))
    u_i = W_u h_i + b_u    s_i = W_s h_i + b_s    g_i = sigmoid(W_g h_i + b_g)
    e_i = dropout(g_i * s_i + (1 - g_i) * u_i)            (e_i = u_i without a specific layer)

after Lin, Yang, Stoyanov & Ji (ACL 2018), equations 1 to 6.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from mlmt_jax import crf
from mlmt_jax.model.linear import Linear, side_by_side
from mlmt_jax.model.masking import dropout, random_bytes
from mlmt_jax.model.precision import PRECISION
from mlmt_jax.types import Batch, DistinctWords, PackedSentences, Params, batch_axes

__all__ = [
    "Part",
    "TaskModel",
    "batch_loss",
    "emissions",
    "sentence_losses",
    "tag_scores",
    "word_features",
]

# Mapped axes of a batch that is dealt out to parts.
_PART_AXES = batch_axes(words=None, sentences=0)


class Part(NamedTuple):
    """A component in its role: the key of its parameters and the module that reads them."""

    name: str
    module: Any  # a flax module; its features are read where sizes are worked out

    def __call__(self, params: Params, *args):
        """Applies the module to its own subtree of ``params``."""
        with jax.default_matmul_precision(PRECISION):
            return self.module.apply({"params": params[self.name]}, *args)


@dataclass(frozen=True)
class TaskModel:
    """The components of one task in one language, by role. Hashable: a static argument of jit."""

    name: str
    word_embed: Part
    char_embed: Part | None
    char_highway: Part | None
    lstm: Part
    univ_layer: Part
    spec_layer: Part | None
    gate: Part | None  # the task model's own; there is one where there is a specific layer
    crf: Part
    embed_dropout: float
    lstm_dropout: float
    linear_dropout: float

    @property
    def parts(self) -> dict[str, Part]:
        """The parts that are there, by role."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {role: value for role, value in values.items() if isinstance(value, Part)}

    def own(self, params: Params) -> Params:
        """The sub-dict of the components that this task model uses."""
        return {part.name: params[part.name] for part in self.parts.values()}


def emissions(task: TaskModel, params: Params, batch: Batch, key: jax.Array | None = None) -> jax.Array:
    """Tag scores of every word, (B, n, t) float32, nats. Dropout acts where a key is given."""
    features = word_features(task, params, batch.words)[batch.word_ids]
    return sentence_emissions(task, params, features, batch.sentences, key)


def word_features(task: TaskModel, params: Params, words: DistinctWords) -> jax.Array:
    """[E(w); highway(charcnn(c))] of distinct words, (U, d) float32."""
    features = [task.word_embed(params, words.table_rows)[words.row_index]]
    if task.char_embed is not None:
        letters = task.char_embed(params, words.chars, words.segment_ids, words.segment_ends)
        features.append(letters if task.char_highway is None else task.char_highway(params, letters))
    return jnp.concatenate(features, -1)


def sentence_emissions(
    task: TaskModel, params: Params, x: jax.Array, sentences: PackedSentences, key: jax.Array | None = None
) -> jax.Array:
    """``emissions`` from the features of packed words (P, d)."""
    drawn = _Drawn() if key is None else _draw(task, key, sentences.dropout_ids)
    x = dropout(x, task.embed_dropout, drawn.embed)
    rows = sentences.packed_index.shape[0]
    h = task.lstm(params, x, sentences.reversal, sentences.step_starts, rows, drawn.between)
    h = dropout(h, task.lstm_dropout, drawn.lstm)
    e = tag_scores(task, params, h)  # (P, t)
    e = dropout(e, task.linear_dropout, drawn.linear)
    return e.at[sentences.packed_index].get(mode="fill", fill_value=0.0)


def tag_scores(task: TaskModel, params: Params, h: jax.Array) -> jax.Array:
    """u_i, mixed with s_i by the gate where there is a specific layer: (P, features) -> (P, t)."""
    if task.spec_layer is None or task.gate is None:
        return task.univ_layer(params, h)
    layers = task.univ_layer, task.spec_layer, task.gate
    plain = [layer for layer in layers if isinstance(layer.module, Linear)]
    weights = [(params[layer.name]["kernel"], params[layer.name]["bias"]) for layer in plain]
    with jax.default_matmul_precision(PRECISION):
        found = dict(zip(plain, side_by_side(h, weights), strict=True))
    universal, specific, gate = (found[x] if x in found else x(params, h) for x in layers)
    gate = nn.sigmoid(gate)
    return gate * specific + (1.0 - gate) * universal


class _Drawn(NamedTuple):
    """Random bits for each site of dropout; none where nothing is dropped."""

    embed: jax.Array | None = None
    lstm: jax.Array | None = None
    linear: jax.Array | None = None
    between: Sequence[jax.Array] = ()  # the layers of the LSTM


def _draw(task: TaskModel, key: jax.Array, dropout_ids: jax.Array | np.ndarray) -> _Drawn:
    lstm = task.lstm.module
    letters = 0 if task.char_embed is None else task.char_embed.module.features
    inputs = task.word_embed.module.dimension + letters
    between = lstm.num_layers - 1 if lstm.dropout else 0
    rates = task.embed_dropout, task.lstm_dropout, task.linear_dropout, *[lstm.dropout] * between
    sizes = inputs, lstm.features, len(task.crf.module.tag_names), *[lstm.features] * between
    wanted = [size if rate else 0 for rate, size in zip(rates, sizes, strict=True)]
    if not any(wanted):
        return _Drawn()
    drawn = random_bytes(key, dropout_ids, wanted)
    return _Drawn(drawn[0], drawn[1], drawn[2], drawn[3:])


def sentence_losses(task: TaskModel, params: Params, batch: Batch, key: jax.Array | None = None) -> jax.Array:
    """Log Z - score(gold) of each sentence, (B,) nats; 0 for the empty ones that fill a batch up."""
    scores = emissions(task, params, batch, key)
    chain = task.crf(params)
    return -crf.log_likelihood(scores, batch.sentences.tags, chain, batch.sentences.lengths)


def batch_loss(task: TaskModel, params: Params, batch: Batch, key: jax.Array | None = None) -> jax.Array:
    """Mean loss over the batch's sentences, () nats per sentence; they may be dealt out to parts."""
    losses = sentence_losses
    lengths = batch.sentences.lengths
    if lengths.ndim > 1:
        losses = jax.vmap(losses, (None, None, _PART_AXES, None))
    found = losses(task, params, batch, key)
    return jnp.sum(found) / jnp.maximum(jnp.sum(lengths > 0), 1)
