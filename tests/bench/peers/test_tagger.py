"""The PyTorch peer against mlmt_jax: equal losses, gradients, updates and tags."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_model import SIZES, random_batch, random_params, small_config

from mlmt_jax.config import Config
from mlmt_jax.model.build import Model, build_model
from mlmt_jax.model.readers import best_tags
from mlmt_jax.model.task_model import TaskModel, batch_loss, emissions
from mlmt_jax.training.optimizers import OptimizerSettings, build_optimizer
from mlmt_jax.types import Batch, Params

torch = pytest.importorskip("torch")
pytest.importorskip("torchcrf")
weights: Any = pytest.importorskip("peers.tagger_weights")

LENGTHS = [7, 1, 0, 4, 2, 5, 0]  # with empty sentences; the batch has more words than any sentence

CONFIGS = {
    "everything": small_config(),
    "two layers of one direction, hidden layer, frozen words": small_config(
        (("xho", "ner"),),
        xho_words={"trainable": False},
        ner_univ={"hidden": [4]},
        lstm={"num_layers": 2, "bidirectional": False},
    ),
    "words alone": small_config(
        (("xho", "ner"),),
        {"char_embed": None, "char_highway": None, "spec_layer": None, "use_char_embedding": False},
    ),
}
CASES = [(case, task.name) for case, config in CONFIGS.items() for task in config.tasks]


def build(case: str) -> tuple[Config, Model, Params]:
    config = CONFIGS[case]
    model = build_model(config, SIZES)
    return config, model, random_params(model)


@partial(jax.jit, static_argnums=0)
def outputs(task: TaskModel, params: Params, batch: Batch) -> tuple[jax.Array, Params, jax.Array]:
    loss, slopes = jax.value_and_grad(partial(batch_loss, task))(params, batch)
    scores, sentences = emissions(task, params, batch), batch.sentences
    tags = best_tags(scores, task.crf(params), jnp.asarray(sentences.lengths), jnp.asarray(sentences.tags))
    return loss, slopes, tags[0]


def assert_close(actual: Params, expected: Params) -> None:
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    check = lambda path, a, b: np.testing.assert_allclose(
        a, b, 1e-4, 1e-4, err_msg=jax.tree_util.keystr(path)
    )
    jax.tree.map_with_path(check, actual, expected)


@pytest.mark.parametrize(("case", "name"), CASES)
def test_losses_gradients_and_tags_are_equal(case, name):
    config, model, params = build(case)
    task, batch = model.tasks[name], random_batch(name, LENGTHS, 9)
    peer = weights.build_trainers(config, model, params)[name]
    task_params, device_batch = task.select(params), jax.tree.map(jnp.asarray, batch)
    loss, slopes, tags = map(partial(jax.tree.map, np.asarray), outputs(task, task_params, device_batch))
    np.testing.assert_allclose(peer.loss(batch).item(), loss, 1e-5)
    table = peer.module.word_embed.weight
    assert table.requires_grad == ("frozen" not in case)
    table.requires_grad_(True)  # the gradient of a frozen table is compared too
    peer.loss(batch).backward()
    assert_close(weights.gradients_of(task, peer), slopes)
    expected = [list(row[:n]) for row, n in zip(tags, batch.sentences.lengths, strict=True) if n]
    assert peer.decode(batch) == expected


def test_updates_are_equal():
    config, model, params = build("everything")
    name = "xho ner"
    # Clipping has an effect, and the learning rate decays.
    settings = {"gradient_clipping": 0.5, "learning_rate": 0.5, "decay_step": 1}
    spec = config.task(name).model_copy(update=settings)
    tasks = [spec if task.name == name else task for task in config.tasks]
    config = config.model_copy(update={"tasks": tasks})
    task = model.tasks[name]
    optimizer = build_optimizer(OptimizerSettings.of(spec), task.word_embed.name, is_frozen=False)
    peer = weights.build_trainers(config, model, params)[name]
    task_params = task.select(params)
    state = optimizer.init(task_params)

    @jax.jit
    def step(params, state, batch):
        loss, slopes = jax.value_and_grad(partial(batch_loss, task))(params, batch)
        updates, state = optimizer.update(slopes, state, params)
        return optax.apply_updates(params, updates), state, loss

    for seed in range(3):
        batch = random_batch(name, LENGTHS, 9, seed)
        task_params, state, loss = step(task_params, state, jax.tree.map(jnp.asarray, batch))
        np.testing.assert_allclose(peer.train_step(batch), loss, 1e-4)
    actual, expected = weights.params_of(task, peer), jax.tree.map(np.asarray, task_params)
    chain = task.crf.name
    allowed = jax.tree.map(np.isfinite, task.crf(params)._asdict())
    scores = actual[chain].items()
    actual[chain] = {key: np.where(allowed[key], x, expected[chain][key]) for key, x in scores}
    assert_close(actual, expected)


def test_tasks_share_modules_by_name():
    peers = weights.build_trainers(*build("everything"))
    first, language, kind = (peers[name].module for name in ("xho ner", "zul ner", "xho pos"))
    assert first.lstm is language.lstm is kind.lstm
    assert first.char_embed is kind.char_embed
    assert first.crf is language.crf is not kind.crf
    assert first.word_embed is kind.word_embed is not language.word_embed
    assert len({peer.module.gate for peer in peers.values()}) == len(peers)
