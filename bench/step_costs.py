"""What a training step costs: the arithmetic that the model needs, and each of its parts alone."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mlmt_jax import crf
from mlmt_jax.model import TaskModel
from mlmt_jax.model.masking import dropout, random_bytes
from mlmt_jax.model.task_model import tag_scores, word_features
from mlmt_jax.types import Batch, Params

__all__ = ["multiply_adds", "step_parts"]


def multiply_adds(task: TaskModel, batch: Batch) -> int:
    """Multiply-adds of one forward pass over the words that are there, padding not counted.

        LSTM       words * layers * directions * 4 h (inputs + h)
        heads      words * t * (features of the LSTM) for the universal, the specific layer and the gate each
        highway    words * layers * 2 f^2, f character features
        char CNN   sum over words and filters of windows * width * dimension * count, as a direct convolution
                   (ours projects the alphabet instead, and does less)

    Every occurrence of a word counts, though ours computes what does not depend on the sentence once a batch.
    Heads with hidden layers count as linear ones. A step's floating-point operations are six times this: two
    a multiply-add, and the backward pass takes two for one forward. The CRF's sums are not counted.
    """
    words = int(np.sum(batch.sentences.lengths))
    lstm, tags = task.lstm.module, len(task.crf.module.tag_names)
    inputs, letters = task.word_embed.module.dimension, 0
    total = 0
    if task.char_embed is not None:
        cnn = task.char_embed.module
        letters = cnn.features
        packed_index = np.asarray(batch.sentences.packed_index)
        word_ids = np.asarray(batch.word_ids)[packed_index[packed_index < len(batch.word_ids)]]
        lengths = np.diff(batch.words.segment_ends, prepend=0)[word_ids]
        windows = {width: int(np.sum(np.maximum(lengths - width + 1, 1))) for width, _ in cnn.filters}
        total += sum(windows[width] * width * cnn.dimension * count for width, count in cnn.filters)
        if task.char_highway is not None:
            total += words * task.char_highway.module.num_layers * 2 * letters**2
    inputs += letters
    ways = 2 if lstm.bidirectional else 1
    for _ in range(lstm.num_layers):
        total += words * ways * 4 * lstm.hidden_size * (inputs + lstm.hidden_size)
        inputs = lstm.features
    heads = 1 if task.spec_layer is None else 3
    return total + words * heads * tags * lstm.features


def step_parts(
    task: TaskModel, optimizer: optax.GradientTransformation, params: Params, batch: Batch, key: jax.Array
) -> dict[str, Callable[[], Any]]:
    """Calls that run each part of a step, compiled alone, forward and backward, and wait for it.

    Alone, a part also writes what the whole step keeps to itself: the parts' sum is near the step, not equal.
    As in a step, the batch's rows of the word table stand for the table; fetching them and putting them back
    is in the whole step alone.
    """
    batch = jax.tree.map(jnp.asarray, batch)
    sentences = batch.sentences
    table = task.word_embed.name
    own = {**task.select(params), table: {"table": params[table]["table"][batch.words.table_rows]}}
    own = jax.tree.map(jnp.copy, own)  # a step gives its own parameters away
    words = batch.words._replace(table_rows=jnp.arange(len(batch.words.table_rows)))

    def features(own: Params) -> jax.Array:
        return word_features(task, own, words)

    def encoded(own: Params, x: jax.Array) -> jax.Array:
        drawn = random_bytes(key, sentences.dropout_ids, (x.shape[-1], task.lstm.module.features))
        x = dropout(x[batch.word_ids], task.embed_dropout, drawn[0])
        h = task.lstm(own, x, sentences.reversal, sentences.step_starts, len(sentences.lengths))
        return dropout(h, task.lstm_dropout, drawn[1])

    def heads(own: Params, h: jax.Array) -> jax.Array:
        e = tag_scores(task, own, h)
        e = dropout(e, task.linear_dropout, *random_bytes(key, sentences.dropout_ids, e.shape[1:]))
        return e.at[sentences.packed_index].get(mode="fill", fill_value=0.0)

    def chain(own: Params, scores: jax.Array) -> jax.Array:
        return -crf.log_likelihood(scores, sentences.tags, task.crf(own), sentences.lengths)

    def both_ways(f: Callable[..., jax.Array], roles: tuple[str, ...], *inputs: jax.Array):
        """A call of f with its gradients for the parameters in these roles and for its inputs; f's value."""
        used = {part.name: own[part.name] for role, part in task.parts.items() if role in roles}

        @jax.jit
        def run(used: Params, *inputs: jax.Array):
            value, back = jax.vjp(f, used, *inputs)
            return value, back(jnp.ones_like(value))

        return lambda: jax.block_until_ready(run(used, *inputs)), run(used, *inputs)[0]

    calls = {}
    calls["features of words"], x = both_ways(features, ("word_embed", "char_embed", "char_highway"))
    calls["LSTM"], h = both_ways(encoded, ("lstm",), x)
    calls["linear layers and gate"], e = both_ways(heads, ("univ_layer", "spec_layer", "gate"), h)
    calls["CRF loss"], _ = both_ways(chain, ("crf",), e)
    calls["optimizer"] = _update_call(optimizer, own)
    return calls


def _update_call(optimizer: optax.GradientTransformation, own: Params) -> Callable[[], Any]:
    gradients = jax.tree.map(lambda x: jnp.full_like(x, 1e-3), own)

    @partial(jax.jit, donate_argnums=(0, 1))
    def update(own: Any, opt_state: optax.OptState):
        updates, opt_state = optimizer.update(gradients, opt_state, own)
        return optax.apply_updates(own, updates), opt_state

    state: Any = jax.tree.map(jnp.copy, own), jax.jit(optimizer.init)(own)

    def call() -> None:
        nonlocal state
        state = jax.block_until_ready(update(*state))

    return call
