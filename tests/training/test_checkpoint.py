"""Checkpoints give back the bits they got, and refuse what is not theirs."""

import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mlmt_jax.errors import RunError
from mlmt_jax.training.checkpoint import Checkpoints, Progress, load_best_params
from mlmt_jax.training.state import RunState

OPTIMIZER = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(optax.constant_schedule(0.1), momentum=0.9))
PROGRESS = Progress(7, {"nld ner": 4, "é/pos": 3}, 5, 0.25, 2, 1.5)


def params_of(seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        "words": {"table": jnp.asarray(random.normal(size=(5, 3)), jnp.float32)},
        "nld ner/gate": {"kernel": jnp.ones((3, 2)), "bias": jnp.arange(2.0)},
    }


def state_of(seed: int) -> RunState:
    params = params_of(seed)
    opt_state = OPTIMIZER.init(params)
    _, opt_state = OPTIMIZER.update(params_of(seed + 1), opt_state, params)
    opt_states = {"nld ner": opt_state, "é/pos": OPTIMIZER.init(params)}
    counts = {"nld ner": jnp.int32(5), "é/pos": jnp.int32(2)}
    synced = {"nld ner": jnp.arange(3), "é/pos": jnp.zeros(3, jnp.int32)}
    return RunState(params, opt_states, jnp.int32(7), counts, synced)


def assert_same(first: Any, second: Any) -> None:
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A checkpoints folder with the best of step 5 and the last of step 7."""
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save_best(3, params_of(3))
    checkpoints.save_best(5, params_of(5))
    checkpoints.save_last(state_of(7), PROGRESS)
    checkpoints.close()
    return tmp_path


def test_the_last_state_comes_back(saved: Path) -> None:
    checkpoints = Checkpoints(saved)
    restored = checkpoints.restore_last(state_of(99))
    checkpoints.close()
    assert restored is not None
    state, progress = restored
    assert progress == PROGRESS
    assert_same(state, state_of(7))


def test_a_state_of_another_shape_is_refused(saved: Path) -> None:
    checkpoints = Checkpoints(saved)
    with pytest.raises(RunError, match="last/7: not a state that this version can go on from"):
        checkpoints.restore_last(state_of(99)._replace(synced={}))
    checkpoints.close()


def test_the_best_parameters_come_back(saved: Path) -> None:
    checkpoints = Checkpoints(saved)
    assert_same(checkpoints.restore_best(params_of(0)), params_of(5))
    checkpoints.close()
    shapes = jax.eval_shape(lambda: params_of(0))
    assert_same(load_best_params(saved, shapes), params_of(5))


def test_one_of_each_kind_is_kept(saved: Path) -> None:
    assert sorted(str(path.relative_to(saved)) for path in saved.glob("*/*")) == ["best/5", "last/7"]


def test_what_is_saved_is_what_was_there_then(tmp_path: Path) -> None:
    # A run gives its state away to the next step while the checkpoint is being written.
    checkpoints, state = Checkpoints(tmp_path), state_of(7)
    advance = jax.jit(lambda state: jax.tree.map(lambda x: x + 1, state), donate_argnums=0)
    checkpoints.save_best(7, state.params)
    checkpoints.save_last(state, PROGRESS)
    for _ in range(5):
        state = advance(state)
    restored = checkpoints.restore_last(state)
    assert restored is not None
    assert_same(restored[0], state_of(7))
    assert_same(checkpoints.restore_best(state.params), state_of(7).params)
    checkpoints.close()


def test_a_step_that_is_there_is_not_written_again(saved: Path) -> None:
    checkpoints = Checkpoints(saved)
    checkpoints.save_best(5, params_of(50))
    checkpoints.save_last(state_of(70), PROGRESS)
    assert_same(checkpoints.restore_best(params_of(0)), params_of(5))
    checkpoints.close()


def test_nothing_is_there(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.restore_last(state_of(0)) is None
    checkpoints.close()
    with pytest.raises(RunError, match=r"best: no checkpoint is there; expected"):
        load_best_params(tmp_path, params_of(0))


def test_an_unfinished_one_does_not_count(saved: Path) -> None:
    shutil.copytree(saved / "best" / "5", saved / "best" / "9.orbax-checkpoint-tmp-1")
    assert_same(load_best_params(saved, params_of(0)), params_of(5))


def other_shape() -> dict[str, Any]:
    return {**params_of(0), "words": {"table": jnp.zeros((6, 3))}}


def without_gate() -> dict[str, Any]:
    return {"words": params_of(0)["words"]}


def with_more() -> dict[str, Any]:
    return {**params_of(0), "lstm": {"bias": jnp.zeros(1)}}


@pytest.mark.parametrize(
    ("like", "message"),
    [
        (other_shape, r"\['words'\]\['table'\] has shape \(5, 3\), expected \(6, 3\)"),
        (without_gate, r"\['nld ner/gate'\]\['bias'\] has shape \(2,\), expected none"),
        (with_more, r"\['lstm'\]\['bias'\] has shape none, expected \(1,\)"),
    ],
)
def test_arrays_of_another_run(saved: Path, like: Any, message: str) -> None:
    with pytest.raises(RunError, match=message):
        load_best_params(saved, like())


@pytest.mark.parametrize("damage", ["_METADATA", "manifest.ocdbt", "arrays"])
def test_a_damaged_checkpoint(tmp_path: Path, damage: str) -> None:
    # One array: of several, orbax leaves the others' reads behind when the first one fails.
    params = {"lstm": {"bias": jnp.ones(3)}}
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save_best(5, params)
    checkpoints.close()
    folder = tmp_path / "best" / "5" / "params"
    for path in folder.glob("**/d/*") if damage == "arrays" else [folder / damage]:
        path.write_bytes(path.read_bytes()[:7])
    with pytest.raises(RunError, match=r"best/5: (not a checkpoint of this run|no arrays can be read)"):
        load_best_params(tmp_path, params)
