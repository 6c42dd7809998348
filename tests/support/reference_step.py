"""A plain training step: one sentence at a time, every row of a table, log-space sums, gradients by autodiff.

It is what the product's step must compute, with none of what makes that one fast.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from dense import dense_chars, dense_words

from mlmt_jax.config import TaskConfig
from mlmt_jax.model.task_model import TaskModel
from mlmt_jax.types import Batch, Params

FORBIDDEN = -1e9  # exp of it is 0


class Plain(NamedTuple):
    """One run: parameters, and by task model momenta and steps."""

    params: Params
    momenta: dict[str, Params]
    task_steps: dict[str, int]
    step: int


def start(tasks: dict[str, TaskModel], params: Params) -> Plain:
    zeros = {name: jax.tree.map(jnp.zeros_like, task.select(params)) for name, task in tasks.items()}
    return Plain(params, zeros, dict.fromkeys(tasks, 0), 0)


def step(
    task: TaskModel, spec: TaskConfig, trainable: bool, run: Plain, batch: Batch, key: jax.Array
) -> tuple[Plain, float]:
    """Return the run after a batch, and the loss before the update."""
    arrays = dense_words(batch), dense_chars(batch), batch.sentences.lengths, batch.sentences.tags
    params, momenta = task.select(run.params), run.momenta[task.name]
    task_step = run.task_steps[task.name]
    rate = spec.learning_rate * spec.decay_rate ** (task_step / spec.decay_step)
    step_key = jax.random.fold_in(key, run.step)
    static = task, spec.gradient_clipping, spec.momentum, trainable
    loss, params, momenta = _update(static, params, momenta, arrays, rate, step_key)
    run = Plain(
        {**run.params, **params},
        {**run.momenta, task.name: momenta},
        {**run.task_steps, task.name: task_step + 1},
        run.step + 1,
    )
    return run, float(loss)


@partial(jax.jit, static_argnums=0)
def _update(static, params, momenta, arrays, rate, key):
    task, clipping, momentum, trainable = static
    loss, slopes = jax.value_and_grad(lambda params: _loss(task, params, arrays, key))(params)
    table = task.word_embed.name
    clipped = jax.tree.leaves({name: leaves for name, leaves in slopes.items() if name != table})
    norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in clipped))
    scale = jnp.minimum(1.0, clipping / norm)
    slopes = {
        name: leaves if name == table else jax.tree.map(lambda g: g * scale, leaves)
        for name, leaves in slopes.items()
    }
    if not trainable:
        slopes[table] = jax.tree.map(jnp.zeros_like, slopes[table])
    momenta = jax.tree.map(lambda v, g: momentum * v + g, momenta, slopes)
    return loss, jax.tree.map(lambda w, v: w - rate * v, params, momenta), momenta


def _loss(task: TaskModel, params: Params, arrays, key) -> jax.Array:
    words, chars, lengths, tags = arrays
    x = params[task.word_embed.name]["table"][words]  # (B, n, d)
    if task.char_embed is not None:
        letters = jax.vmap(jax.vmap(partial(_char_cnn, task, params)))(chars)
        x = jnp.concatenate([x, _highway(task, params, letters)], -1)
    features = task.lstm.module.features
    embed_units = x.shape[-1] if task.embed_dropout else 0
    x = _dropout(x, task.embed_dropout, key, 0)
    h = jax.vmap(partial(_lstm, task, params))(x, lengths)
    h = _dropout(h, task.lstm_dropout, key, _words(embed_units))
    linear = lambda part, x: x @ params[part.name]["kernel"] + params[part.name]["bias"]
    scores = linear(task.univ_layer, h)
    if task.spec_layer is not None:
        gate = jax.nn.sigmoid(linear(task.gate, h))
        scores = gate * linear(task.spec_layer, h) + (1 - gate) * scores
    scores = _dropout(scores, task.linear_dropout, key, _words(embed_units) + _words(features))
    chain = jax.tree.map(lambda part: jnp.maximum(part, FORBIDDEN), task.crf(params))
    losses = jax.vmap(partial(_crf_loss, chain))(scores, lengths, tags)
    return jnp.sum(losses) / jnp.sum(lengths > 0)


def _words(units: int) -> int:
    """Random words of 32 bits for so many units."""
    return -(-units // 4)


def _dropout(x: jax.Array, rate: float, key: jax.Array, first: int) -> jax.Array:
    """Dropout by the random words of each place from ``first`` on."""
    if not rate:
        return x
    threshold, (sentences, n, d) = round((1 - rate) * 256), x.shape
    ids = jnp.arange(sentences)[:, None] * 2**16 + jnp.arange(n)
    draw = lambda word_id: jax.random.bits(jax.random.fold_in(key, word_id), (first + _words(d),), "uint32")
    words = jax.vmap(jax.vmap(draw))(ids)[..., first:]
    units = jnp.stack([(words >> shift) & 255 for shift in (0, 8, 16, 24)], -1)
    return jnp.where(units.reshape(sentences, n, -1)[..., :d] < threshold, x * (256 / threshold), 0.0)


def _char_cnn(task: TaskModel, params: Params, chars: jax.Array) -> jax.Array:
    """(c,) -> (features,)."""
    assert task.char_embed is not None
    weights = params[task.char_embed.name]
    table = jnp.concatenate([jnp.zeros_like(weights["table"][:1]), weights["table"]])
    length, features = jnp.sum(chars > 0), []
    for i, (width, _) in enumerate(task.char_embed.module.filters):
        letters = table[jnp.pad(chars, (0, width - 1))]
        windows = jnp.stack([letters[j : j + len(chars)] for j in range(width)], 1)  # (c, width, d)
        out = jax.nn.relu(jnp.einsum("cwd,wdf->cf", windows, weights[f"kernel_{i}"]) + weights[f"bias_{i}"])
        inside = jnp.arange(len(chars)) <= jnp.maximum(length - width, 0)
        features.append(jnp.max(jnp.where(inside[:, None], out, 0.0), 0))
    return jnp.concatenate(features)


def _highway(task: TaskModel, params: Params, x: jax.Array) -> jax.Array:
    if task.char_highway is None:
        return x
    weights: Any = params[task.char_highway.name]
    for i in range(task.char_highway.module.num_layers):
        linear = lambda kind, x, i=i: x @ weights[f"{kind}_{i}"]["kernel"] + weights[f"{kind}_{i}"]["bias"]
        gate = jax.nn.sigmoid(linear("gate", x))
        x = gate * task.char_highway.module.activation(linear("transform", x)) + (1 - gate) * x
    return x


def _lstm(task: TaskModel, params: Params, x: jax.Array, length: jax.Array) -> jax.Array:
    """(n, d) -> (n, 2 h)."""
    assert task.lstm.module.num_layers == 1
    weights, positions = params[task.lstm.name], jnp.arange(len(x))
    order = [positions, jnp.where(positions < length, length - 1 - positions, positions)]
    outputs = []
    for direction in range(len(weights["kernel_0"])):

        def word(state, now, direction=direction):
            h, c = state
            z = (
                now @ weights["kernel_0"][direction]
                + h @ weights["recurrent_0"][direction]
                + weights["bias_0"][direction]
            )
            i, f, g, o = jnp.split(z, 4)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zero = jnp.zeros(task.lstm.module.hidden_size)
        outputs.append(jax.lax.scan(word, (zero, zero), x[order[direction]])[1][order[direction]])
    return jnp.where((positions < length)[:, None], jnp.concatenate(outputs, -1), 0.0)


def _crf_loss(chain, scores: jax.Array, length: jax.Array, tags: jax.Array) -> jax.Array:
    def word(state, now):
        alpha, gold, before = state
        score, tag, live = now
        reached = jax.nn.logsumexp(alpha[:, None] + chain.transitions, 0) + score
        gold = gold + jnp.where(live, chain.transitions[before, tag] + score[tag], 0.0)
        return (jnp.where(live, reached, alpha), gold, jnp.where(live, tag, before)), None

    first = chain.start + scores[0], chain.start[tags[0]] + scores[0, tags[0]], tags[0]
    live = jnp.arange(1, len(scores)) < length
    (alpha, gold, last), _ = jax.lax.scan(word, first, (scores[1:], tags[1:], live))
    loss = jax.nn.logsumexp(alpha + chain.end) - gold - chain.end[last]
    return jnp.where(length > 0, loss, 0.0)


def dense_momentum(
    table: np.ndarray, slopes: list[tuple[int, np.ndarray, float, float]], users: int
) -> np.ndarray:
    """Return a table, float64, after steps of (user, gradient of the table, rate, momentum)."""
    table, momenta = np.array(table, np.float64), np.zeros((users, *table.shape))
    for user, slope, rate, momentum in slopes:
        momenta[user] = momentum * momenta[user] + slope
        table -= rate * momenta[user]
    return table
