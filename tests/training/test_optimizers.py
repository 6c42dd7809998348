"""SGD with momentum, clipped and decayed, against a few lines of NumPy."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny_corpus
from config_edits import edited
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmt_jax.config import Config, TaskConfig, parse_config
from mlmt_jax.training.optimizers import OptimizerSettings, build_optimizer, label_params

# Two tasks that share the words and the LSTM, and differ in everything that an optimizer is made of.
SETTINGS: dict[str, dict[str, Any]] = {
    "nld ner": {"learning_rate": 0.3, "momentum": 0.9, "gradient_clipping": 1.5, "decay_step": 2},
    "nld pos": {"learning_rate": 0.05, "momentum": 0.4, "gradient_clipping": 0.2, "decay_rate": 0.5},
}
SHAPES = {
    "nld ner": {"nld_words": {"table": (5, 4)}, "lstm": {"kernel": (3, 2), "bias": (7,)}, "a": {"w": (2,)}},
    "nld pos": {"nld_words": {"table": (5, 4)}, "lstm": {"kernel": (3, 2), "bias": (7,)}, "b": {"w": (4, 1)}},
}

Tree = dict[str, dict[str, np.ndarray]]


def make_config(edits: dict[str, Any] | None = None) -> Config:
    data = tiny_corpus.config()
    for task in data["tasks"]:
        task.update(SETTINGS.get(task["name"], {}))
    return parse_config(edited(data, edits or {}))


def find_task(config: Config, name: str) -> TaskConfig:
    return next(task for task in config.tasks if task.name == name)


def random_tree(random: np.random.Generator, name: str, scale: float = 1.0) -> Tree:
    return {
        part: {leaf: (scale * random.normal(size=shape)).astype(np.float32) for leaf, shape in leaves.items()}
        for part, leaves in SHAPES[name].items()
    }


class NumpySGD:
    """One task's optimizer: v = m v + g, w -= rate v, g clipped by the norm of all but the words."""

    def __init__(self, config: TaskConfig, *, frozen: bool):
        self.config, self.frozen = config, frozen
        self.velocity: dict[tuple[str, str], np.ndarray] = {}
        self.count = 0

    def step(self, params: Tree, gradients: Tree) -> None:
        c = self.config
        rate = c.learning_rate * c.decay_rate ** (self.count / c.decay_step)
        norm = np.sqrt(
            sum(
                np.sum(np.square(g, dtype=np.float64))
                for part, leaves in gradients.items()
                for g in leaves.values()
                if part != "nld_words"
            )
        )
        for part, leaves in gradients.items():
            for leaf, g in leaves.items():
                if part == "nld_words" and self.frozen:
                    continue
                scale = 1.0 if part == "nld_words" else min(1.0, c.gradient_clipping / norm)
                leaf_path = part, leaf
                v = c.momentum * self.velocity.get(leaf_path, 0.0) + scale * g
                self.velocity[leaf_path] = v
                params[part][leaf] = params[part][leaf] - rate * v
        self.count += 1


@pytest.mark.parametrize("frozen", [False, True])
def test_two_tasks_that_share_components(frozen: bool) -> None:
    config = make_config({"components.0.trainable": not frozen})
    random = np.random.default_rng(5)
    start: Tree = {**random_tree(random, "nld ner"), **random_tree(random, "nld pos")}
    params = {part: {leaf: jnp.asarray(x) for leaf, x in leaves.items()} for part, leaves in start.items()}
    expected: Tree = {
        part: {leaf: x.astype(np.float64) for leaf, x in leaves.items()} for part, leaves in start.items()
    }
    optimizers = {
        name: build_optimizer(OptimizerSettings.of(find_task(config, name)), "nld_words", is_frozen=frozen)
        for name in SHAPES
    }
    states = {
        name: optimizer.init({part: params[part] for part in SHAPES[name]})
        for name, optimizer in optimizers.items()
    }
    oracles = {name: NumpySGD(find_task(config, name), frozen=frozen) for name in SHAPES}
    # Norms of about 0.2 to 30: above and below both tasks' limits.
    for step, name in enumerate(["nld ner", "nld pos", "nld pos", "nld ner", "nld pos", "nld ner"] * 2):
        gradients = random_tree(random, name, scale=[0.05, 3.0, 0.3][step % 3])
        task_params = {part: params[part] for part in SHAPES[name]}
        updates, states[name] = optimizers[name].update(gradients, states[name], task_params)
        params |= optax.apply_updates(task_params, updates)  # type: ignore[operator]
        oracles[name].step(expected, gradients)
        for part, leaves in expected.items():
            for leaf, value in leaves.items():
                np.testing.assert_allclose(params[part][leaf], value, rtol=2e-5, atol=2e-6)
    assert np.array_equal(params["nld_words"]["table"], start["nld_words"]["table"]) == frozen


@settings(max_examples=40)
@given(st.floats(1e-6, 10), st.floats(0.01, 1), st.integers(1, 20_000), st.integers(0, 100_000))
def test_the_learning_rate_decays_by_the_steps_of_the_task_model(
    rate: float, decay: float, every: int, step: int
):
    changed = {"learning_rate": rate, "decay_rate": decay, "decay_step": every}
    task = find_task(make_config(), "nld ner").model_copy(update=changed)
    scheduled = float(OptimizerSettings.of(task).rate(np.float32(step)))
    # float32 holds the decay to 6e-8, which the power multiplies.
    rel = 1e-5 + 1e-7 * step / every
    assert scheduled == pytest.approx(rate * decay ** (step / every), rel=rel, abs=1e-30)


def test_word_tables_are_matched_by_their_whole_name() -> None:
    name = "words (v1.0)+"  # a pattern, if it were taken for one
    data = tiny_corpus.config()
    data["components"][0]["name"] = name
    for task in data["tasks"]:
        if task["language"] == "nld":
            task["model"]["word_embed"] = name
    config = parse_config(data)
    params = {name: {"table": jnp.zeros((2, 2))}, f"{name} 2": {"table": jnp.zeros(2)}}
    optimizer = build_optimizer(OptimizerSettings.of(config.target), name, is_frozen=False)
    gradients = {name: {"table": jnp.full((2, 2), 100.0)}, f"{name} 2": {"table": jnp.full(2, 100.0)}}
    updates, _ = optimizer.update(gradients, optimizer.init(params), params)
    rate, limit = config.target.learning_rate, config.target.gradient_clipping
    moved: Any = updates
    np.testing.assert_allclose(moved[name]["table"], -rate * 100.0, rtol=1e-5)
    np.testing.assert_allclose(moved[f"{name} 2"]["table"], -rate * limit / np.sqrt(2), rtol=1e-5)


def test_the_first_rule_that_matches_the_whole_path_counts() -> None:
    params = {"a": {"x": {"kernel": 0}}, "b": {"kernel": 0, "bias": 0}}
    rules = [("b/k.*", "one"), (r".*/kernel", "two"), (r".+", "three")]
    assert label_params(params, rules) == {
        "a": {"x": {"kernel": "two"}},
        "b": {"kernel": "one", "bias": "three"},
    }


def test_a_leaf_without_a_rule_is_refused() -> None:
    params = {"lstm": {"kernel": 0, "kernel_2": 0}}
    with pytest.raises(ValueError, match="'lstm/kernel_2'"):
        label_params(params, [("lstm/kernel", "clipped")])
