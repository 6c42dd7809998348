"""One task model: from a batch of sentences to emissions and losses.

    x_i = dropout([E(w_i); highway(charcnn(c_i))])        h = dropout(LSTM(x))
    u_i = W_u h_i + b_u    s_i = W_s h_i + b_s    g_i = sigmoid(W_g h_i + b_g)
    e_i = dropout(g_i * s_i + (1 - g_i) * u_i)            (e_i = u_i without a specific layer)

after Lin, Yang, Stoyanov & Ji (ACL 2018), equations 1 to 6.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from mlmt_jax import crf
from mlmt_jax.crf import Chain
from mlmt_jax.model.linear import PRECISION, Linear, apply_together
from mlmt_jax.model.masking import dropout, random_bytes
from mlmt_jax.types import Array, Batch, DistinctWords, PackedSentences, Params, batch_axes

#: The sites of dropout, beside that between the layers of the LSTM ("between").
SITES = ("embed_dropout", "lstm_dropout", "linear_dropout")


class Part(NamedTuple):
    """A component in its role: the key of its parameters, and the module that uses them."""

    name: str
    module: Any  # a flax module; Any, since sizes are read off its fields

    def __call__(self, params: Params, *args):
        """Apply the module to its subtree of ``params``."""
        with jax.default_matmul_precision(PRECISION):
            return self.module.apply({"params": params[self.name]}, *args)


@dataclass(frozen=True, kw_only=True)
class TaskModel:
    """The components of one task in one language, by role. Hashable: a static argument of jit."""

    name: str
    word_embed: Part
    char_embed: Part | None = None
    char_highway: Part | None = None
    lstm: Part
    univ_layer: Part
    gate: Part | None = None  # shared with no other task model; None without a specific layer
    spec_layer: Part | None = None
    crf: Part
    embed_dropout: float
    lstm_dropout: float
    linear_dropout: float

    @property
    def dropout_rates(self) -> dict[str, float]:
        """The dropout rates by site; no random bits are drawn for a site of rate 0."""
        return {site: getattr(self, site) for site in SITES} | {"between": self.lstm.module.dropout}

    @property
    def parts(self) -> dict[str, Part]:
        """The parts that the task model has, by role."""
        return {role: value for role, value in vars(self).items() if isinstance(value, Part)}

    def select(self, params: Params) -> Params:
        """Return the sub-dict of the components that this task model uses."""
        return {part.name: params[part.name] for part in self.parts.values()}

    def chain(self, params: Params, settings: "TaskSettings | None" = None) -> Chain:
        """Return the chain over the tags; constraints are those of ``settings``, if given."""
        chain = self.crf(params)
        return chain if settings is None else Chain(*map(jnp.add, chain, settings.constraints))


class TaskSettings(NamedTuple):
    """Values in which task models of one program may differ (``roles``)."""

    constraints: Chain  # float32: 0 allows, -inf forbids; -inf for padding tags
    dropout_rates: Mapping[str, Any]  # by site, () float32


Key = jax.Array | None
Settings = TaskSettings | None


def emissions(
    task: TaskModel, params: Params, batch: Batch, key: Key = None, settings: Settings = None
) -> jax.Array:
    """Compute the tag scores of every word, (B, n, t) float32, nats; 0 for padding.

    Args:
        task: the task model.
        params: with at least its components.
        batch: the sentences.
        key: random key for dropout; None for no dropout.
        settings: settings of a task model by role; None for those of ``task``.
    """
    features = word_features(task, params, batch.words)[batch.word_ids]
    return sentence_emissions(task, params, features, batch.sentences, key, settings)


def word_features(task: TaskModel, params: Params, words: DistinctWords) -> jax.Array:
    """Compute [E(w); highway(charcnn(c))] of distinct words, (U, d) float32."""
    features = [task.word_embed(params, words.table_rows)[words.row_index]]
    if task.char_embed is not None:
        features.append(char_features(task.char_embed, task.char_highway, params, words))
    return jnp.concatenate(features, -1)


def char_features(embed: Part, highway: Part | None, params: Params, words: DistinctWords) -> jax.Array:
    """Compute highway(charcnn(c)) of distinct words, (U, d) float32; without ``highway``, charcnn(c)."""
    chars = embed(params, words.chars, words.segment_ids, words.segment_ends)
    return chars if highway is None else highway(params, chars)


def sentence_emissions(
    task: TaskModel,
    params: Params,
    x: Array,
    sentences: PackedSentences,
    key: Key = None,
    settings: Settings = None,
) -> jax.Array:
    """Compute ``emissions`` from the features of packed words (P, d)."""
    bits = _draw_bits(task, key, x.shape[-1], sentences.dropout_ids)
    embed_bits, lstm_bits, linear_bits, *between_bits = bits
    rates = task.dropout_rates if settings is None else settings.dropout_rates
    between = [partial(dropout, rate=rates["between"], bits=layer) for layer in between_bits]
    x = dropout(jnp.asarray(x), rates["embed_dropout"], embed_bits)
    rows = sentences.packed_index.shape[0]
    h = task.lstm(params, x, sentences.reversal, sentences.step_starts, rows, between)
    h = dropout(h, rates["lstm_dropout"], lstm_bits)
    e = tag_scores(task, params, h)  # (P, t)
    e = dropout(e, rates["linear_dropout"], linear_bits)
    return e.at[sentences.packed_index].get(mode="fill", fill_value=0.0)


def tag_scores(task: TaskModel, params: Params, h: jax.Array) -> jax.Array:
    """Compute u_i, mixed with s_i by the gate if there is a specific layer, (P, features) -> (P, t)."""
    if task.spec_layer is None or task.gate is None:
        return task.univ_layer(params, h)
    layers = task.univ_layer, task.spec_layer, task.gate
    linear = [layer for layer in layers if isinstance(layer.module, Linear)]
    weights = [(params[layer.name]["kernel"], params[layer.name]["bias"]) for layer in linear]
    with jax.default_matmul_precision(PRECISION):
        outputs = dict(zip(linear, apply_together(h, weights), strict=True))
    universal, specific, gate = (outputs[x] if x in outputs else x(params, h) for x in layers)
    gate = nn.sigmoid(gate)
    return gate * specific + (1.0 - gate) * universal


def _draw_bits(task: TaskModel, key: Key, inputs: int, dropout_ids: Array) -> list[Any]:
    """Draw the bits of all sites that have a dropout rate above 0.

    Args:
        task: the task model.
        key: random key; None for no dropout.
        inputs: number of features of a word.
        dropout_ids: (P,) uint32, as in ``PackedSentences``.

    Returns:
        (P, d) uint8 for the features, the LSTM's states, the tag scores, and between the layers of the LSTM;
        three times None if nothing is dropped.
    """
    lstm = task.lstm.module
    between = lstm.num_layers - 1 if lstm.dropout else 0
    rates = *(getattr(task, site) for site in SITES), *[lstm.dropout] * between
    sizes = inputs, lstm.features, len(task.crf.module.tag_names), *[lstm.features] * between
    sizes = [size if rate else 0 for rate, size in zip(rates, sizes, strict=True)]
    return random_bytes(key, dropout_ids, sizes) if key is not None and any(sizes) else [None] * 3


def sentence_losses(
    task: TaskModel, params: Params, batch: Batch, key: Key = None, settings: Settings = None
) -> jax.Array:
    """Compute log Z - score(gold) of each sentence, (B,) nats; 0 for empty sentences (padding).

    The arguments are as for ``emissions``.
    """
    scores, chain = emissions(task, params, batch, key, settings), task.chain(params, settings)
    return -crf.log_likelihood(scores, batch.sentences.tags, chain, batch.sentences.lengths)


def batch_loss(
    task: TaskModel, params: Params, batch: Batch, key: Key = None, settings: Settings = None
) -> jax.Array:
    """Compute the mean loss of the batch's sentences, () nats per sentence; 0 if there is none.

    The arguments are as for ``emissions``; the sentences may also be dealt out to parts.
    """
    losses, lengths = sentence_losses, batch.sentences.lengths
    if lengths.ndim > 1:
        losses = jax.vmap(losses, (None, None, batch_axes(words=None, sentences=0), None, None))
    return jnp.sum(losses(task, params, batch, key, settings)) / jnp.maximum(jnp.sum(lengths > 0), 1)
