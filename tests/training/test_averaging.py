"""The moving average of the parameters: what a plain recursion over all parameters gives."""

from pathlib import Path

import jax
import numpy as np
import pytest
import tiny_corpus
from config_edits import edited

from mlmt_jax.config import AVERAGE_INTERVAL, load_config
from mlmt_jax.training.averaging import init_average, log_decay
from mlmt_jax.training.plan import draw_task
from mlmt_jax.training.replica_group import ReplicaGroup
from mlmt_jax.training.setup import fresh_state, prepare_replicas
from mlmt_jax.types import Params

STEPS = 230


def config_of(corpus: Path, window: int, **edits: object) -> Path:
    # Tasks are drawn unequally, and other sentences than those of a batch have words of their own.
    edits = {"training.average_steps": window, "training.unknown_rate": 0.0, **edits}
    edits |= {f"datasets.{i}.batch_size": 1 for i in range(4)}
    edits |= {f"tasks.{i}.learning_rate": 0.05 for i in range(4)} | {"tasks.1.momentum": 0.0}
    edits |= {"tasks.2.momentum": 0.97, "tasks.2.decay_step": 20}
    return tiny_corpus.write_config(corpus, edited(tiny_corpus.config(), edits), f"window{window}.json")


def plain_average(params: list[Params], window: int) -> Params:
    """Return the average of parameters at all updates by the published recursion, in float64."""
    decay = 1 - AVERAGE_INTERVAL / window
    average = jax.tree.map(lambda leaf: np.zeros(leaf.shape), params[0])
    for k, now in enumerate(params, 1):
        share = (1 - decay) / (1 - decay**k)
        average = jax.tree.map(lambda mean, new, s=share: mean + s * (np.float64(new) - mean), average, now)
    return average


@pytest.mark.parametrize(("window", "replicas"), [(10, 1), (50, 1), (400, 1), (50, 2)])
def test_average_equals_the_plain_recursion(corpus: Path, window: int, replicas: int) -> None:
    path = config_of(corpus, window, **{"training.replicas": replicas})
    setups = prepare_replicas(load_config(path))
    group = ReplicaGroup(setups)
    leaves = group.stack([fresh_state(setup) for setup in setups])
    task_steps, params = dict.fromkeys(group.batches, 0), []
    for step in range(STEPS):
        name = draw_task(setups[0].weights, step)
        leaves, _ = group.step(leaves, name, group.batches[name].batch(task_steps[name]))
        task_steps[name] += 1
        if (step + 1) % AVERAGE_INTERVAL == 0:
            params.append(jax.device_get(group.params(leaves)))
            leaves = group.update_average(leaves)
    averages, lazy = group.averages(leaves), [state.average for state in group.states(leaves)]
    for number in range(replicas):
        expected = plain_average([of_all[number] for of_all in params], window)
        difference = jax.tree.map(lambda a, b: np.abs(np.asarray(a) - b).max(), averages[number], expected)
        assert max(jax.tree.leaves(difference)) < 1e-5
        # Some rows were behind, and the average is not the parameters but for the smallest window.
        average = lazy[number]
        assert average is not None
        assert np.unique(average.row_updates["nld_words"]).size > 2
        kernels = [
            np.asarray(of_run["lstm"]["kernel_0"]) for of_run in (averages[number], params[-1][number])
        ]
        assert np.allclose(*kernels, atol=1e-7) == (window == AVERAGE_INTERVAL)


def test_updates_older_than_the_history_have_no_weight() -> None:
    for window in (10, 50, 400, 5000):
        average = init_average({"words": {"table": np.zeros((3, 2))}}, {"words": {"a": None}}, window)  # type: ignore[dict-item]
        length = len(average.histories["a"].steps)
        assert np.exp(length * log_decay(window)) < 2e-7


def test_frozen_tables_are_not_averaged(corpus: Path) -> None:
    path = config_of(corpus, 50, **{"components.0.trainable": False})
    [setup] = prepare_replicas(load_config(path))
    average = setup.shapes.average
    assert average is not None
    assert "nld_words" not in average.params
    assert set(average.row_updates) == {"afr_words"}
    group = ReplicaGroup([setup])
    leaves = group.stack([fresh_state(setup)])
    for step in range(AVERAGE_INTERVAL):
        name = draw_task(setup.weights, step)
        leaves, _ = group.step(leaves, name, group.batches[name].batch(step))
    [params], [averages] = group.params(leaves), group.averages(group.update_average(leaves))
    difference = jax.tree.map(lambda a, b: np.abs(np.asarray(a) - np.asarray(b)).max(), params, averages)
    assert max(jax.tree.leaves(difference)) < 1e-6
