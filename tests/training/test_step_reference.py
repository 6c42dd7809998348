"""Three hundred training steps against a plain step with the same batches and dropout."""

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
import reference_step
import tiny_corpus
from task_grid import only_tasks

from mlmt_jax.config import load_config
from mlmt_jax.training.plan import draw_task
from mlmt_jax.training.setup import fresh_state, prepare
from mlmt_jax.training.step import train_step
from mlmt_jax.training.word_rows import current_params

STEPS, FEW_STEPS = 300, 40


def write_config(tiny_config: Path, trainable: bool) -> Path:
    # Two tasks that share words, characters, LSTM: each with a learning rate of its own.
    data = only_tasks(tiny_corpus.config(), "nld ner", "nld pos")
    for i, task in enumerate(data["tasks"]):
        task["model"] |= {"embed_dropout": 0.2, "lstm_dropout": 0.4}
        task |= {"learning_rate": 0.03 - 0.01 * i, "decay_step": 50}
    data["components"][0]["trainable"] = trainable
    return tiny_corpus.write_config(tiny_config.parent, data, f"reference_{trainable}.json")


@contextlib.contextmanager
def optimised() -> Iterator[None]:
    """Compile programs with XLA's optimisations, as users do; other tests switch them off."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


@pytest.mark.parametrize(("trainable", "count"), [(True, STEPS), (False, FEW_STEPS)])
def test_losses_and_parameters_equal_those_of_plain_steps(
    tiny_config: Path, trainable: bool, count: int
) -> None:
    setup = prepare(load_config(write_config(tiny_config, trainable)))
    state = fresh_state(setup)
    [table] = {task.word_embed.name for task in setup.model.tasks.values()}
    words = np.array(state.params[table]["table"])
    plain = reference_step.start(setup.model.tasks, state.params)
    key = jax.random.key(5)
    steps = {name: jax.jit(partial(train_step, setup.task_training(name))) for name in setup.model.tasks}
    losses, plain_losses, task_steps = [], [], dict.fromkeys(steps, 0)
    for i in range(count):
        name = draw_task(setup.weights, i)
        batch = setup.batches[name].batch(task_steps[name])
        task_steps[name] += 1
        with optimised():
            state, metrics = steps[name](state, batch, key)
        losses.append(float(metrics.loss))
        task, spec = setup.model.tasks[name], setup.config.task(name)
        plain, loss = reference_step.step(task, spec, task.word_embed.name in setup.users, plain, batch, key)
        plain_losses.append(loss)
    assert min(task_steps.values()) > count // 20
    few = min(20, count // 4)
    assert np.mean(plain_losses[-few:]) < (0.5 if count == STEPS else 0.9) * np.mean(plain_losses[:few])
    assert np.array_equal(words, state.params[table]["table"]) != trainable
    np.testing.assert_allclose(losses, plain_losses, 1e-4, 1e-4)
    jax.tree.map(
        partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5),
        current_params(setup.users, state),
        plain.params,
    )
