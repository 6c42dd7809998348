"""Small parameters and states of a run, and their checkpoints."""

import contextlib
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mlmt_jax.runs.checkpoints import Checkpoints
from mlmt_jax.runs.progress import Progress
from mlmt_jax.runs.resume_plan import ReplicaOnDisk, ReplicaStart, plan_resume
from mlmt_jax.training.state import RunState

RUN_ID = "a run"
OPTIMIZER = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(optax.constant_schedule(0.1), momentum=0.9))
WINDOW = {"losses": {"é/pos": [0.1, 1e-30]}, "sentences": 8}
PROGRESS = Progress(7, {"nld ner": 4, "é/pos": 3}, 5, 0.25, 2, 1.5, 5, WINDOW)


def random_params(seed: int) -> dict[str, Any]:
    """Return parameters of two components."""
    random = np.random.default_rng(seed)
    return {
        "words": {"table": jnp.asarray(random.normal(size=(5, 3)), jnp.float32)},
        "nld ner/gate": {"kernel": jnp.ones((3, 2)), "bias": jnp.arange(2.0)},
    }


def random_state(seed: int) -> RunState:
    """Return a state with ``random_params(seed)`` and momenta of two task models."""
    params = random_params(seed)
    opt_state = OPTIMIZER.init(params)
    _, opt_state = OPTIMIZER.update(random_params(seed + 1), opt_state, params)
    opt_states = {"nld ner": opt_state, "é/pos": OPTIMIZER.init(params)}
    counts = {"nld ner": jnp.int32(5), "é/pos": jnp.int32(2)}
    synced = {"nld ner": jnp.arange(3), "é/pos": jnp.zeros(3, jnp.int32)}
    return RunState(params, opt_states, jnp.int32(7), counts, synced)


def save_both(folder: Path, step: int) -> None:
    """Save best parameters and a state of one step."""
    with contextlib.closing(Checkpoints(folder, RUN_ID, keep=3)) as checkpoints:
        checkpoints.save_best(step, random_params(step))
        checkpoints.save_last(random_state(step), PROGRESS._replace(step=step, best_step=step))
        checkpoints.wait()


def restore_newest(folder: Path, run_id: str = RUN_ID) -> tuple[RunState, ReplicaStart]:
    """Restore the state from which a run alone is resumed."""
    with contextlib.closing(Checkpoints(folder, run_id)) as checkpoints:
        states = checkpoints.stored_states()
        on_disk = ReplicaOnDisk(folder, states, checkpoints.newest_best, 0, False, None)
        plan = plan_resume([on_disk], PROGRESS, 1, None)
        assert plan is not None
        [start] = plan.replicas
        assert start.state_step is not None
        return checkpoints.restore_state(start.state_step, random_state(0)), start


def checkpoint_names(folder: Path) -> list[str]:
    """Return the checkpoints in a folder, such as ``best/5``."""
    return sorted(str(path.relative_to(folder)) for path in folder.glob("*/*"))


def assert_same_arrays(first: Any, second: Any) -> None:
    """Check that two pytrees have equal structures, and arrays of equal dtypes and bits."""
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
