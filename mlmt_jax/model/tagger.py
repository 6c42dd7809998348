"""One task model: from a batch of sentences to emissions and losses.

    x_i = dropout([E(w_i); highway(charcnn(c_i))])        h = dropout(LSTM(x))
    u_i = W_u h_i + b_u    s_i = W_s h_i + b_s    g_i = sigmoid(W_g h_i + b_g)
    e_i = dropout(g_i * s_i + (1 - g_i) * u_i)            (e_i = u_i without a specific layer)

after Lin, Yang, Stoyanov & Ji (ACL 2018), equations 1 to 6.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from mlmt_jax import crf
from mlmt_jax.model.masking import dropout
from mlmt_jax.types import Batch, Params

__all__ = ["Part", "TaskModel", "batch_loss", "emissions", "sentence_losses"]


class Part(NamedTuple):
    """A component in its role: the key of its parameters and the module that reads them."""

    name: str
    module: Any  # a flax module; its features are read where sizes are worked out

    def __call__(self, params: Params, *args):
        """Applies the module to its own subtree of ``params``."""
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
        roles = (
            "word_embed",
            "char_embed",
            "char_highway",
            "lstm",
            "univ_layer",
            "spec_layer",
            "gate",
            "crf",
        )
        return {role: getattr(self, role) for role in roles if getattr(self, role) is not None}

    def own(self, params: Params) -> Params:
        """The sub-dict of the components that this task model uses."""
        return {part.name: params[part.name] for part in self.parts.values()}


def emissions(task: TaskModel, params: Params, batch: Batch, key: jax.Array | None = None) -> jax.Array:
    """Tag scores of every word, (B, n, t) float32, nats. Dropout acts where a key is given."""

    def site(index: int, rate: float) -> jax.Array | None:
        # Keys are folded in only where they are used: each takes its time to compile.
        return jax.random.fold_in(key, index) if key is not None and rate else None

    features = [task.word_embed(params, batch.rows)[batch.words]]  # (U, d)
    if task.char_embed is not None:
        letters = task.char_embed(params, batch.chars)
        features.append(letters if task.char_highway is None else task.char_highway(params, letters))
    x, tokens = jnp.concatenate(features, -1), batch.tokens
    if key is not None and task.embed_dropout:  # each occurrence of a word is dropped by itself
        x = dropout(x[tokens], task.embed_dropout, site(0, task.embed_dropout))
        x, tokens = x.reshape(-1, x.shape[-1]), jnp.arange(tokens.size).reshape(tokens.shape)
    h = task.lstm(params, x, tokens, batch.lengths, site(1, task.lstm.module.dropout))
    h = dropout(h, task.lstm_dropout, site(2, task.lstm_dropout))
    e = task.univ_layer(params, h)  # (B, n, t)
    if task.spec_layer is not None and task.gate is not None:
        gate = nn.sigmoid(task.gate(params, h))
        e = gate * task.spec_layer(params, h) + (1.0 - gate) * e
    return dropout(e, task.linear_dropout, site(3, task.linear_dropout))


def sentence_losses(task: TaskModel, params: Params, batch: Batch, key: jax.Array | None = None) -> jax.Array:
    """log Z - score(gold) of each sentence, (B,) nats; 0 for the empty ones that fill a batch up."""
    scores = emissions(task, params, batch, key)
    chain = task.crf(params)
    return -crf.log_likelihood(scores, batch.tags, chain, batch.lengths)


def batch_loss(task: TaskModel, params: Params, batch: Batch, key: jax.Array | None = None) -> jax.Array:
    """Mean loss over the batch's sentences, () nats per sentence."""
    losses = sentence_losses(task, params, batch, key)
    return jnp.sum(losses) / jnp.maximum(jnp.sum(batch.lengths > 0), 1)
