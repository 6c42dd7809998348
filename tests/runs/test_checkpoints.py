"""Checkpoints: saving, restoring, and which of them are kept."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from stored_checkpoints import (
    PROGRESS,
    RUN_ID,
    assert_same_arrays,
    checkpoint_names,
    random_params,
    random_state,
    restore_newest,
    save_both,
)

from mlmt_jax.errors import RunError
from mlmt_jax.runs.checkpoints import Checkpoints, load_best_params

ROOT = Path(__file__).resolve().parents[2]


def test_last_state_is_restored(saved: Path) -> None:
    state, start = restore_newest(saved)
    assert start.progress == PROGRESS
    assert start.warnings == ()
    assert_same_arrays(state, random_state(7))


def test_best_parameters_are_restored(saved: Path) -> None:
    with contextlib.closing(Checkpoints(saved, RUN_ID)) as checkpoints:
        assert_same_arrays(checkpoints.restore_best(5, random_params(0)), random_params(5))
    shapes = jax.eval_shape(lambda: random_params(0))
    assert_same_arrays(load_best_params(saved, RUN_ID, shapes), random_params(5))


def test_empty_folder_has_no_checkpoints(tmp_path: Path) -> None:
    with contextlib.closing(Checkpoints(tmp_path, RUN_ID)) as checkpoints:
        assert checkpoints.stored_states() == []
        assert checkpoints.newest_best is None
    with pytest.raises(RunError, match=r"best: no checkpoint is there; expected"):
        load_best_params(tmp_path, RUN_ID, random_params(0))


def test_old_checkpoints_are_deleted(saved: Path) -> None:
    assert checkpoint_names(saved) == ["best/5", "last/7"]
    with contextlib.closing(Checkpoints(saved, RUN_ID, keep=3)) as checkpoints:
        for step, best in ((8, 8), (9, 8), (10, 10), (11, 10)):
            if best == step:
                checkpoints.save_best(step, random_params(step))
            checkpoints.save_last(random_state(step), PROGRESS._replace(step=step, best_step=best))
        checkpoints.wait()
        # best/8 stays, since the state of step 9 refers to it.
        assert checkpoint_names(saved) == ["best/10", "best/8", "last/10", "last/11", "last/9"]
        checkpoints.drop_after(PROGRESS._replace(step=9, best_step=8))
    assert checkpoint_names(saved) == ["best/8", "last/9"]


@pytest.mark.parametrize("damage", ["", "[]", '{"step": 8}', '{"best_step": [', "[" * 100_000])
def test_damaged_state_keeps_no_best_parameters(saved: Path, damage: str) -> None:
    save_both(saved, 8)
    (saved / "last" / "8" / "progress.json").write_text(damage, encoding="utf-8")
    save_both(saved, 9)
    assert checkpoint_names(saved) == ["best/5", "best/9", "last/7", "last/8", "last/9"]
    assert restore_newest(saved)[1].progress.step == 9


def test_saved_arrays_are_those_at_the_time_of_the_call(tmp_path: Path) -> None:
    # The next step reuses the memory of the state while the checkpoint is being written.
    advance = jax.jit(lambda state: jax.tree.map(lambda x: x + 1, state), donate_argnums=0)
    state = random_state(7)
    with contextlib.closing(Checkpoints(tmp_path, RUN_ID)) as checkpoints:
        checkpoints.save_best(7, state.params)
        checkpoints.save_last(state, PROGRESS._replace(best_step=7))
        for _ in range(5):
            state = advance(state)
        checkpoints.wait()
        assert_same_arrays(checkpoints.restore_state(7, state), random_state(7))
        assert_same_arrays(checkpoints.restore_best(7, state.params), random_state(7).params)


def test_existing_step_is_not_written_again(saved: Path) -> None:
    with contextlib.closing(Checkpoints(saved, RUN_ID)) as checkpoints:
        checkpoints.save_best(5, random_params(50))
        checkpoints.save_last(random_state(70), PROGRESS)
        assert_same_arrays(checkpoints.restore_best(5, random_params(0)), random_params(5))


def test_unfinished_checkpoint_is_not_loaded(saved: Path) -> None:
    shutil.copytree(saved / "best" / "5", saved / "best" / ".9.part")
    assert_same_arrays(load_best_params(saved, RUN_ID, random_params(0)), random_params(5))


def test_unfinished_checkpoints_are_deleted(saved: Path) -> None:
    shutil.copytree(saved / "last" / "7", saved / "last" / ".9.part")
    shutil.copytree(saved / "best" / "5", saved / "best" / ".4.gone")
    with contextlib.closing(Checkpoints(saved, RUN_ID)) as checkpoints:
        checkpoints.drop_after(PROGRESS)
    assert checkpoint_names(saved) == ["best/5", "last/7"]


SAVE_ON_FOUR_DEVICES = """
import sys, jax
from pathlib import Path
from stored_checkpoints import PROGRESS, RUN_ID, random_params, random_state
from mlmt_jax.runs.checkpoints import Checkpoints
assert len(jax.devices()) == 4
mesh = jax.sharding.Mesh(jax.devices(), ("d",))
replicated = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
checkpoints = Checkpoints(Path(sys.argv[1]), RUN_ID)
checkpoints.save_best(5, jax.device_put(random_params(5), jax.devices()[-1]))
checkpoints.save_last(jax.device_put(random_state(7), replicated), PROGRESS)
checkpoints.wait()
checkpoints.close()
"""


def test_arrays_are_restored_without_the_devices_that_they_were_on(tmp_path: Path) -> None:
    paths = [str(ROOT), str(ROOT / "tests" / "support"), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "JAX_NUM_CPU_DEVICES": "4",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }
    command = [sys.executable, "-c", SAVE_ON_FOUR_DEVICES, str(tmp_path)]
    subprocess.run(command, env=environment, check=True, timeout=300)
    assert len(jax.devices()) == 1
    state, _ = restore_newest(tmp_path)
    assert_same_arrays(state, random_state(7))
    assert all(leaf.devices() == set(jax.devices()) for leaf in jax.tree.leaves(state))
    assert_same_arrays(load_best_params(tmp_path, RUN_ID, random_params(0)), random_params(5))
