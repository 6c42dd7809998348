"""Replicas that one program steps: each is the run alone."""

from pathlib import Path

import jax
import numpy as np
import tiny_corpus
from config_edits import edited

from mlmt_jax.config import load_config
from mlmt_jax.training.plan import draw_task
from mlmt_jax.training.replica_group import ReplicaGroup
from mlmt_jax.training.setup import fresh_state, prepare, prepare_replicas

SEED = 3  # of the tiny config


def test_each_replica_equals_the_run_alone_after_100_steps(corpus: Path) -> None:
    edits = {"datasets.1.sample": 2, "datasets.3.sample": 2, "training.replicas": 2}
    # The published learning rate: at the rate of the tiny config, rounding errors grow tenfold in 30 steps.
    edits |= {f"tasks.{i}.learning_rate": 0.02 for i in range(4)}
    data = edited(tiny_corpus.config(), edits)
    setups = prepare_replicas(load_config(tiny_corpus.write_config(corpus, data, "two.json")))
    sizes = [setup.model.sizes for setup in setups]
    assert sizes[0].words != sizes[1].words  # Samples differ, and with them the words.
    singles = [
        prepare(load_config(corpus / "two.json", ["training.replicas=1", f"training.seed={SEED + n}"]))
        for n in range(2)
    ]
    members = [setups, [singles[0]], [singles[1]]]
    groups = [ReplicaGroup(group_setups) for group_setups in members]
    states = [
        group.stack([fresh_state(setup) for setup in group_setups])
        for group, group_setups in zip(groups, members, strict=True)
    ]
    task_steps = dict.fromkeys(groups[0].batches, 0)
    for step in range(100):
        name, metrics = draw_task(setups[0].weights, step), []
        for i, group in enumerate(groups):
            batch = group.batches[name].batch(task_steps[name])
            states[i], group_metrics = group.step(states[i], name, batch)
            metrics.append(group.metrics(group_metrics))
        task_steps[name] += 1
        for n in range(2):
            loss, single_loss = metrics[0][n].loss, metrics[1 + n][0].loss
            np.testing.assert_allclose(loss, single_loss, rtol=1e-5, atol=1e-5)
    replica_states = groups[0].states(states[0])
    for n, state in enumerate(replica_states):
        [single_state] = groups[1 + n].states(states[1 + n])
        assert jax.tree.structure(state) == jax.tree.structure(single_state)
        for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(single_state), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    kernels = [state.params["lstm"]["kernel_0"] for state in replica_states]
    assert not np.allclose(*kernels, atol=0.1)
