"""A training step: the leaves that it changes, its purity, and the number of compiled programs."""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_corpus

from mlmt_jax.batches.training_batches import OovReplacement, TrainingBatches
from mlmt_jax.config import load_config
from mlmt_jax.model.build import init_params
from mlmt_jax.model.task_model import batch_loss
from mlmt_jax.training.optimizers import OptimizerSettings
from mlmt_jax.training.setup import Setup, prepare
from mlmt_jax.training.state import RunState, init_state
from mlmt_jax.training.step import merge, select, train_step

KEY = 11
NAME = "nld ner"


def prepare_config(config: Path, data: dict[str, Any]) -> Setup:
    return prepare(load_config(tiny_corpus.write_config(config.parent, data, "step.json")))


@pytest.fixture(scope="module")
def setup(tiny_config: Path) -> Setup:
    data = tiny_corpus.lean(NAME)
    data["tasks"][0]["model"]["lstm_dropout"] = 0.3
    return prepare_config(tiny_config, data)


@pytest.fixture(scope="module")
def step(setup: Setup) -> Any:
    """Return the jitted step without donated arguments."""
    return jax.jit(partial(train_step, setup.task_training(NAME)))


def random_state(setup: Setup, seed: int) -> RunState:
    """Return a random state in the shapes of an initial one, without compiling."""
    random = np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda: init_params(setup.model, jax.random.key(0)))
    params = jax.tree.map(lambda x: jnp.asarray(random.normal(scale=0.5, size=x.shape), x.dtype), shapes)
    return init_state(setup.model, params, setup.optimizers)


def assert_same(first: Any, second: Any) -> None:
    """Check that two trees are equal to the last bit."""
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def count_changed(before: Any, after: Any) -> int:
    """Return the number of leaves that differ."""
    pairs = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    return sum(not np.array_equal(a, b) for a, b in pairs)


def test_only_components_of_the_task_model_change(tiny_config: Path) -> None:
    setup = prepare_config(tiny_config, tiny_corpus.without_characters(tiny_corpus.config()))
    name = "afr pos"
    start = random_state(setup, 0)
    step = jax.jit(partial(train_step, setup.task_training(name)))
    new, metrics = step(start, setup.batches[name].batch(0), jax.random.key(KEY))
    components = {"afr_words", "lstm", "pos_univ", "pos_afr", "pos_crf", "afr pos/gate"}
    assert set(new.params) == set(start.params) > components
    for part, leaves in start.params.items():
        assert count_changed(leaves, new.params[part]) == (
            len(jax.tree.leaves(leaves)) if part in components else 0
        ), part
    for task, opt_state in start.opt_states.items():
        assert bool(count_changed(opt_state, new.opt_states[task])) == (task == name)
    assert (int(start.step), int(new.step)) == (0, 1)
    assert float(metrics.loss) > 0


def test_a_step_uses_only_the_leaves_that_select_names(tiny_config: Path) -> None:
    setup = prepare_config(tiny_config, tiny_corpus.without_characters(tiny_corpus.config()))
    start = random_state(setup, 0)
    leaves, structure = jax.tree.flatten(start)
    numbers = structure.unflatten(range(len(leaves)))
    for name in setup.model.tasks:
        training = setup.task_training(name)
        selected = set(jax.tree.leaves(select(training, numbers)))
        step, batch = partial(train_step, training), setup.batches[name].batch(0)
        program = jax.make_jaxpr(
            lambda state, step=step, batch=batch: step(state, batch, jax.random.key(KEY))[0]
        )(start).jaxpr
        used = {str(variable) for equation in program.eqns for variable in equation.invars}
        for i, (before, after) in enumerate(zip(program.invars, program.outvars, strict=True)):
            assert (before is not after or str(before) in used) == (i in selected), (name, i)


def test_merge_inverts_select(tiny_config: Path) -> None:
    setup = prepare_config(tiny_config, tiny_corpus.config())
    state, other = random_state(setup, 0), random_state(setup, 1)
    for name in setup.model.tasks:
        training = setup.task_training(name)
        assert_same(merge(training, state, *select(training, state)), state)
        assert_same(
            select(training, merge(training, state, *select(training, other))), select(training, other)
        )


def test_the_first_step_goes_down_the_gradient(setup: Setup, step: Any) -> None:
    start, batch, key = random_state(setup, 1), setup.batches[NAME].batch(1), jax.random.key(KEY)
    new, metrics = step(start, batch, key)
    task, dropout = setup.model.tasks[NAME], jax.random.fold_in(key, 0)
    loss, gradients = jax.jit(jax.value_and_grad(lambda p: batch_loss(task, p, batch, dropout)))(start.params)
    assert float(metrics.loss) == pytest.approx(float(loss), rel=1e-5)
    squares = [np.sum(np.square(g, dtype=np.float64)) for g in jax.tree.leaves(gradients)]
    assert float(metrics.gradient_norm) == pytest.approx(np.sqrt(sum(squares)), rel=1e-5)
    words = np.sum(np.square(gradients["nld_words"]["table"], dtype=np.float64))
    limit = setup.config.target.gradient_clipping
    scale = min(1.0, limit / np.sqrt(sum(squares) - words))
    rate = OptimizerSettings.of(setup.config.target).rate(0)
    for part, leaves in gradients.items():
        down = rate * (1.0 if part == "nld_words" else scale)
        expected = jax.tree.map(lambda w, g, down=down: w - down * g, start.params[part], leaves)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), new.params[part], expected)


def test_a_step_is_a_function_of_its_arguments(setup: Setup, step: Any) -> None:
    start, batch = random_state(setup, 2), setup.batches[NAME].batch(0)
    once = step(start, batch, jax.random.key(KEY))
    assert_same(once, step(start, batch, jax.random.key(KEY)))
    # Dropout differs from run to run, and from step to step of one run.
    assert float(step(start, batch, jax.random.key(KEY + 1))[1].loss) != float(once[1].loss)
    later = start._replace(step=start.step + 1)
    assert float(step(later, batch, jax.random.key(KEY))[1].loss) != float(once[1].loss)


def test_steps_side_by_side_equal_steps_alone(setup: Setup, step: Any) -> None:
    batches = setup.batches[NAME]
    shapes = lambda i: jax.tree.map(np.shape, batches.batch(i))
    same_shape = [i for i in range(9) if shapes(i) == shapes(0)][:3]
    runs = [
        (random_state(setup, i)._replace(step=jnp.int32(5 * i)), batches.batch(i), jax.random.key(i))
        for i in same_shape
    ]
    stack = lambda *leaves: jnp.stack(leaves)
    together = jax.jit(jax.vmap(partial(train_step, setup.task_training(NAME))))
    many = together(*(jax.tree.map(stack, *parts) for parts in zip(*runs, strict=True)))
    alone = jax.tree.map(stack, *(step(*run) for run in runs))
    assert many[1].loss.shape == (3,)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5), many, alone)


def test_the_second_epoch_compiles_nothing(setup: Setup, step: Any) -> None:
    corpus, state = setup.corpus, random_state(setup, 3)
    batches = TrainingBatches(
        NAME,
        setup.encoded[NAME]["train"],
        4,
        1,
        OovReplacement(0.1, corpus.rare_words["nld_words"], corpus.rare_characters),
        expected_steps=1e9,  # worth more than one program
    )
    before, compiled = step._cache_size(), []
    for epoch in range(3):
        for i in range(batches.batches_per_epoch):
            batch = batches.batch(epoch * batches.batches_per_epoch + i)
            state, _ = step(state, batch, jax.random.key(KEY))
        compiled.append(step._cache_size())
    assert compiled[0] == compiled[1] == compiled[2] <= before + len(batches.padding.shapes)
    assert compiled[0] >= 2
