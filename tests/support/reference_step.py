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
from mlmt_jax.model import TaskModel
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
    """The run after a batch, and the loss before."""
    arrays = dense_words(batch), dense_chars(batch), batch.sentences.lengths, batch.sentences.tags
    own, momenta = task.select(run.params), run.momenta[task.name]
    done = run.task_steps[task.name]
    rate = spec.learning_rate * spec.decay_rate ** (done / spec.decay_step)
    loss, own, momenta = _update(
        task, spec.gradient_clipping, spec.momentum, trainable, own, momenta, arrays, rate,
        jax.random.fold_in(key, run.step),
    )  # fmt: skip
    run = Plain(
        {**run.params, **own},
        {**run.momenta, task.name: momenta},
        {**run.task_steps, task.name: done + 1},
        run.step + 1,
    )
    return run, float(loss)


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _update(task, clipping, momentum, trainable, own, momenta, arrays, rate, key):
    loss, slopes = jax.value_and_grad(lambda own: _loss(task, own, arrays, key))(own)
    table = task.word_embed.name
    others = jax.tree.leaves({name: leaves for name, leaves in slopes.items() if name != table})
    norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in others))
    scale = jnp.minimum(1.0, clipping / norm)
    slopes = {
        name: leaves if name == table else jax.tree.map(lambda g: g * scale, leaves)
        for name, leaves in slopes.items()
    }
    if not trainable:
        slopes[table] = jax.tree.map(jnp.zeros_like, slopes[table])
    momenta = jax.tree.map(lambda v, g: momentum * v + g, momenta, slopes)
    return loss, jax.tree.map(lambda w, v: w - rate * v, own, momenta), momenta


def _loss(task: TaskModel, params: Params, arrays, key) -> jax.Array:
    words, chars, lengths, tags = arrays
    x = params[task.word_embed.name]["table"][words]  # (B, n, d)
    if task.char_embed is not None:
        letters = jax.vmap(jax.vmap(partial(_char_cnn, task, params)))(chars)
        x = jnp.concatenate([x, _highway(task, params, letters)], -1)
    features = task.lstm.module.features
    taken = x.shape[-1] if task.embed_dropout else 0
    x = _dropout(x, task.embed_dropout, key, 0)
    h = jax.vmap(partial(_lstm, task, params))(x, lengths)
    h = _dropout(h, task.lstm_dropout, key, _words(taken))
    linear = lambda part, x: x @ params[part.name]["kernel"] + params[part.name]["bias"]
    scores = linear(task.univ_layer, h)
    if task.spec_layer is not None:
        gate = jax.nn.sigmoid(linear(task.gate, h))
        scores = gate * linear(task.spec_layer, h) + (1 - gate) * scores
    scores = _dropout(scores, task.linear_dropout, key, _words(taken) + _words(features))
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
    kept, (sentences, n, d) = round((1 - rate) * 256), x.shape
    places = jnp.arange(sentences)[:, None] * 2**16 + jnp.arange(n)
    draw = lambda place: jax.random.bits(jax.random.fold_in(key, place), (first + _words(d),), "uint32")
    words = jax.vmap(jax.vmap(draw))(places)[..., first:]
    units = jnp.stack([(words >> shift) & 255 for shift in (0, 8, 16, 24)], -1)
    return jnp.where(units.reshape(sentences, n, -1)[..., :d] < kept, x * (256 / kept), 0.0)


def _char_cnn(task: TaskModel, params: Params, chars: jax.Array) -> jax.Array:
    """(c,) -> (features,)."""
    assert task.char_embed is not None
    own = params[task.char_embed.name]
    table = jnp.concatenate([jnp.zeros_like(own["table"][:1]), own["table"]])
    length, found = jnp.sum(chars > 0), []
    for i, (width, _) in enumerate(task.char_embed.module.filters):
        letters = table[jnp.pad(chars, (0, width - 1))]
        windows = jnp.stack([letters[j : j + len(chars)] for j in range(width)], 1)  # (c, width, d)
        out = jax.nn.relu(jnp.einsum("cwd,wdf->cf", windows, own[f"kernel_{i}"]) + own[f"bias_{i}"])
        inside = jnp.arange(len(chars)) <= jnp.maximum(length - width, 0)
        found.append(jnp.max(jnp.where(inside[:, None], out, 0.0), 0))
    return jnp.concatenate(found)


def _highway(task: TaskModel, params: Params, x: jax.Array) -> jax.Array:
    if task.char_highway is None:
        return x
    own: Any = params[task.char_highway.name]
    for i in range(task.char_highway.module.num_layers):
        linear = lambda kind, x, i=i: x @ own[f"{kind}_{i}"]["kernel"] + own[f"{kind}_{i}"]["bias"]
        gate = jax.nn.sigmoid(linear("gate", x))
        x = gate * task.char_highway.module.activation(linear("transform", x)) + (1 - gate) * x
    return x


def _lstm(task: TaskModel, params: Params, x: jax.Array, length: jax.Array) -> jax.Array:
    """(n, d) -> (n, 2 h)."""
    assert task.lstm.module.num_layers == 1
    own, place = params[task.lstm.name], jnp.arange(len(x))
    order = [place, jnp.where(place < length, length - 1 - place, place)]
    outputs = []
    for way in range(len(own["kernel_0"])):

        def word(state, now, way=way):
            h, c = state
            z = now @ own["kernel_0"][way] + h @ own["recurrent_0"][way] + own["bias_0"][way]
            i, f, g, o = jnp.split(z, 4)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zero = jnp.zeros(task.lstm.module.hidden_size)
        outputs.append(jax.lax.scan(word, (zero, zero), x[order[way]])[1][order[way]])
    return jnp.where((place < length)[:, None], jnp.concatenate(outputs, -1), 0.0)


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
    """A table after (user, gradient of the whole table, rate, momentum) of each step; float64."""
    table, momenta = np.array(table, np.float64), np.zeros((users, *table.shape))
    for user, slope, rate, momentum in slopes:
        momenta[user] = momentum * momenta[user] + slope
        table -= rate * momenta[user]
    return table
