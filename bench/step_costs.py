"""The cost of a training step: the arithmetic that the model needs, and programs of its parts."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mlmt_jax import crf
from mlmt_jax.model.masking import dropout, random_bytes
from mlmt_jax.model.task_model import TaskModel, tag_scores, word_features
from mlmt_jax.types import Batch, Params


def multiply_adds(task: TaskModel, batch: Batch) -> int:
    """Count the multiply-adds of one forward pass over the words of a batch, without padding.

        LSTM       words * layers * directions * 4 h (inputs + h)
        heads      words * t * (features of the LSTM), for each of universal layer, specific layer and gate
        highway    words * layers * 2 f^2, f character features
        char CNN   sum over words and filters of windows * width * dimension * count, as a direct convolution
                   (mlmt_jax projects the alphabet instead, which is less work)

    Every occurrence of a word counts, though mlmt_jax computes word features once for each distinct word.
    Heads with hidden layers count as linear ones, and the sums of the CRF do not count. A step has six times
    as many floating-point operations: two for a multiply-add, and the backward pass costs two forward passes.
    """
    words = int(np.sum(batch.sentences.lengths))
    lstm, tags = task.lstm.module, len(task.crf.module.tag_names)
    inputs, char_features = task.word_embed.module.dimension, 0
    total = 0
    if task.char_embed is not None:
        cnn = task.char_embed.module
        char_features = cnn.features
        packed_index = np.asarray(batch.sentences.packed_index)
        word_ids = np.asarray(batch.word_ids)[packed_index[packed_index < len(batch.word_ids)]]
        lengths = np.diff(batch.words.segment_ends, prepend=0)[word_ids]
        windows = {width: int(np.sum(np.maximum(lengths - width + 1, 1))) for width, _ in cnn.filters}
        total += sum(windows[width] * width * cnn.dimension * count for width, count in cnn.filters)
        if task.char_highway is not None:
            total += words * task.char_highway.module.num_layers * 2 * char_features**2
    inputs += char_features
    directions = 2 if lstm.bidirectional else 1
    for _ in range(lstm.num_layers):
        total += words * directions * 4 * lstm.hidden_size * (inputs + lstm.hidden_size)
        inputs = lstm.features
    heads = 1 if task.spec_layer is None else 3
    return total + words * heads * tags * lstm.features


def step_parts(
    task: TaskModel, optimizer: optax.GradientTransformation, params: Params, batch: Batch, key: jax.Array
) -> dict[str, Callable[[], Any]]:
    """Compile each part of a training step alone, forward and backward.

    A part alone also writes results that the whole step keeps inside: the sum of the parts is near the time
    of the step, but not equal. As in a step, the batch's rows stand for the word table. Only the whole step
    gathers and scatters them.

    Args:
        task: the task model.
        optimizer: its optimizer.
        params: parameters of all components.
        batch: the batch.
        key: PRNG key of the dropout.

    Returns:
        Calls by name of the part; each waits for its result.
    """
    batch = jax.tree.map(jnp.asarray, batch)
    sentences = batch.sentences
    table = task.word_embed.name
    task_params = {**task.select(params), table: {"table": params[table]["table"][batch.words.table_rows]}}
    task_params = jax.tree.map(jnp.copy, task_params)  # a step donates its parameters
    words = batch.words._replace(table_rows=jnp.arange(len(batch.words.table_rows)))

    def features(params: Params) -> jax.Array:
        return word_features(task, params, words)

    def encode(params: Params, x: jax.Array) -> jax.Array:
        bytes_ = random_bytes(key, sentences.dropout_ids, (x.shape[-1], task.lstm.module.features))
        x = dropout(x[batch.word_ids], task.embed_dropout, bytes_[0])
        h = task.lstm(params, x, sentences.reversal, sentences.step_starts, len(sentences.lengths))
        return dropout(h, task.lstm_dropout, bytes_[1])

    def heads(params: Params, h: jax.Array) -> jax.Array:
        e = tag_scores(task, params, h)
        e = dropout(e, task.linear_dropout, *random_bytes(key, sentences.dropout_ids, e.shape[1:]))
        return e.at[sentences.packed_index].get(mode="fill", fill_value=0.0)

    def loss(params: Params, scores: jax.Array) -> jax.Array:
        return -crf.log_likelihood(scores, sentences.tags, task.crf(params), sentences.lengths)

    def forward_and_backward(
        f: Callable[..., jax.Array], roles: tuple[str, ...], *inputs: jax.Array
    ) -> tuple[Callable[[], Any], jax.Array]:
        """Return a call of f with its gradients for inputs and these roles, and the value of f."""
        used = {part.name: task_params[part.name] for role, part in task.parts.items() if role in roles}

        @jax.jit
        def run(used: Params, *inputs: jax.Array):
            value, pull_back = jax.vjp(f, used, *inputs)
            return value, pull_back(jnp.ones_like(value))

        return lambda: jax.block_until_ready(run(used, *inputs)), run(used, *inputs)[0]

    calls = {}
    calls["features of words"], x = forward_and_backward(
        features, ("word_embed", "char_embed", "char_highway")
    )
    calls["LSTM"], h = forward_and_backward(encode, ("lstm",), x)
    calls["linear layers and gate"], e = forward_and_backward(heads, ("univ_layer", "spec_layer", "gate"), h)
    calls["CRF loss"], _ = forward_and_backward(loss, ("crf",), e)
    calls["optimizer"] = _update_call(optimizer, task_params)
    return calls


def _update_call(optimizer: optax.GradientTransformation, params: Params) -> Callable[[], Any]:
    """Return a call that updates a copy of the parameters with constant gradients."""
    gradients = jax.tree.map(lambda x: jnp.full_like(x, 1e-3), params)

    @partial(jax.jit, donate_argnums=(0, 1))
    def update(params: Any, opt_state: optax.OptState):
        updates, opt_state = optimizer.update(gradients, opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    state: Any = jax.tree.map(jnp.copy, params), jax.jit(optimizer.init)(params)

    def call() -> None:
        nonlocal state
        state = jax.block_until_ready(update(*state))

    return call
