"""Checkpoints give back the bits they got, and refuse what is not theirs."""

import contextlib
import errno
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mlmt_jax.errors import RunError
from mlmt_jax.runs.checkpoints import Checkpoints, load_best_params
from mlmt_jax.runs.progress import Progress
from mlmt_jax.runs.resume_plan import ReplicaOnDisk, ReplicaStart, plan_resume
from mlmt_jax.training.state import RunState

OPTIMIZER = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(optax.constant_schedule(0.1), momentum=0.9))
WINDOW = {"losses": {"é/pos": [0.1, 1e-30]}, "sentences": 8}
PROGRESS = Progress(7, {"nld ner": 4, "é/pos": 3}, 5, 0.25, 2, 1.5, 5, WINDOW)


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
    checkpoints = Checkpoints(tmp_path, "a run")
    checkpoints.save_best(3, params_of(3))
    checkpoints.save_best(5, params_of(5))
    checkpoints.save_last(state_of(7), PROGRESS)
    checkpoints.wait()
    checkpoints.close()
    return tmp_path


def test_the_last_state_comes_back(saved: Path) -> None:
    state, start = restored(saved)
    assert start.progress == PROGRESS
    assert start.warnings == ()
    assert_same(state, state_of(7))


def test_a_state_of_another_shape_is_refused(saved: Path) -> None:
    checkpoints = Checkpoints(saved, "a run")
    with pytest.raises(RunError, match="last/7: not a state that this version can go on from"):
        checkpoints.restore_state(7, state_of(99)._replace(synced={}))
    checkpoints.close()


def test_the_best_parameters_come_back(saved: Path) -> None:
    checkpoints = Checkpoints(saved, "a run")
    assert_same(checkpoints.restore_best(5, params_of(0)), params_of(5))
    checkpoints.close()
    shapes = jax.eval_shape(lambda: params_of(0))
    assert_same(load_best_params(saved, "a run", shapes), params_of(5))


def kept(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.glob("*/*"))


def test_which_ones_are_kept(saved: Path) -> None:
    assert kept(saved) == ["best/5", "last/7"]
    checkpoints = Checkpoints(saved, "a run", keep=3)
    for step, best in ((8, 8), (9, 8), (10, 10), (11, 10)):
        if best == step:
            checkpoints.save_best(step, params_of(step))
        checkpoints.save_last(state_of(step), PROGRESS._replace(step=step, best_step=best))
    checkpoints.wait()
    # Of the best ones the newest, and those that a state which is kept counts on.
    assert kept(saved) == ["best/10", "best/8", "last/10", "last/11", "last/9"]
    checkpoints.drop_after(PROGRESS._replace(step=9, best_step=8))
    checkpoints.close()
    assert kept(saved) == ["best/8", "last/9"]


@pytest.mark.parametrize("damage", ["", "[]", '{"step": 8}', '{"best_step": [', "[" * 100_000])
def test_a_kept_state_that_is_damaged_counts_on_nothing(two: Path, damage: str) -> None:
    (two / "last" / "8" / "progress.json").write_text(damage, encoding="utf-8")
    checkpoints = Checkpoints(two, "a run", keep=3)
    checkpoints.save_best(9, params_of(9))
    checkpoints.save_last(state_of(9), PROGRESS._replace(step=9, best_step=9))
    checkpoints.wait()
    checkpoints.close()
    assert kept(two) == ["best/5", "best/9", "last/7", "last/8", "last/9"]
    assert restored(two)[1].progress.step == 9


def test_what_is_saved_is_what_was_there_then(tmp_path: Path) -> None:
    # A run gives its state away to the next step while the checkpoint is being written.
    checkpoints, state = Checkpoints(tmp_path, "a run"), state_of(7)
    advance = jax.jit(lambda state: jax.tree.map(lambda x: x + 1, state), donate_argnums=0)
    checkpoints.save_best(7, state.params)
    checkpoints.save_last(state, PROGRESS._replace(best_step=7))
    for _ in range(5):
        state = advance(state)
    checkpoints.wait()
    assert_same(checkpoints.restore_state(7, state), state_of(7))
    assert_same(checkpoints.restore_best(7, state.params), state_of(7).params)
    checkpoints.close()


def test_a_step_that_is_there_is_not_written_again(saved: Path) -> None:
    checkpoints = Checkpoints(saved, "a run")
    checkpoints.save_best(5, params_of(50))
    checkpoints.save_last(state_of(70), PROGRESS)
    assert_same(checkpoints.restore_best(5, params_of(0)), params_of(5))
    checkpoints.close()


def test_nothing_is_there(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "a run")
    assert checkpoints.stored_states() == []
    assert checkpoints.newest_best is None
    checkpoints.close()
    with pytest.raises(RunError, match=r"best: no checkpoint is there; expected"):
        load_best_params(tmp_path, "a run", params_of(0))


def test_an_unfinished_one_does_not_count(saved: Path) -> None:
    shutil.copytree(saved / "best" / "5", saved / "best" / ".9.part")
    assert_same(load_best_params(saved, "a run", params_of(0)), params_of(5))


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
        load_best_params(saved, "a run", like())


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def largest(folder: Path) -> Path:
    """The file of a checkpoint that holds most of its arrays."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "checksums.json"]
    return max(files, key=lambda path: path.stat().st_size)


@pytest.mark.parametrize("damage", [truncate, flip, Path.unlink])
def test_a_damaged_checkpoint_is_refused(saved: Path, damage: Callable[[Path], None]) -> None:
    path = largest(saved / "best" / "5")
    damage(path)
    wrong = rf"params/\S*{path.name} is (damaged|missing)"
    with pytest.raises(RunError, match=rf"best/5: not a checkpoint that can be used: {wrong}"):
        load_best_params(saved, "a run", params_of(0))


def test_a_checkpoint_of_another_run(saved: Path) -> None:
    with pytest.raises(RunError, match="best/5: not a checkpoint that can be used: belongs to another run"):
        load_best_params(saved, "another run", params_of(0))
    with pytest.raises(
        RunError, match=r"last/7: belongs to another run, or run\.json is damaged;\n.*--output"
    ):
        restored(saved, "another run")


@pytest.fixture
def two(saved: Path) -> Path:
    """Another state after the one of step 7, with a best one of its own."""
    checkpoints = Checkpoints(saved, "a run")
    checkpoints.save_best(8, params_of(8))
    checkpoints.save_last(state_of(8), PROGRESS._replace(step=8, best_step=8))
    checkpoints.wait()
    checkpoints.close()
    return saved


def restored(folder: Path, run_id: str = "a run") -> tuple[RunState, ReplicaStart]:
    """Restore the state from which a run alone is resumed."""
    with contextlib.closing(Checkpoints(folder, run_id)) as checkpoints:
        states = checkpoints.stored_states()
        on_disk = ReplicaOnDisk(folder, states, checkpoints.newest_best, 0, False, None)
        plan = plan_resume([on_disk], PROGRESS, 1, None)
        assert plan is not None
        [start] = plan.replicas
        assert start.state_step is not None
        return checkpoints.restore_state(start.state_step, state_of(0)), start


def test_the_newest_sound_state_is_found(two: Path) -> None:
    assert restored(two)[1].progress.step == 8
    flip(largest(two / "last" / "8"))
    state, start = restored(two)
    assert start.progress == PROGRESS
    assert_same(state, state_of(7))
    [warning] = start.warnings
    assert str(two / "last" / "8") in warning
    assert "is damaged" in warning
    truncate(two / "last" / "7" / "progress.json")
    with pytest.raises(RunError, match=r"last/8: .* is damaged.*;\nno other checkpoint is left"):
        restored(two)
    assert kept(two) == ["best/5", "best/8", "last/7", "last/8"]


def test_a_state_whose_best_parameters_are_damaged(two: Path) -> None:
    flip(largest(two / "best" / "8"))
    _, start = restored(two)
    assert start.progress.step == 7
    assert re.search("last/8: its best checkpoint .*best/8 cannot be used: .* is damaged", start.warnings[0])


def test_what_was_never_finished_is_cleared_away(saved: Path) -> None:
    shutil.copytree(saved / "last" / "7", saved / "last" / ".9.part")
    shutil.copytree(saved / "best" / "5", saved / "best" / ".4.gone")
    checkpoints = Checkpoints(saved, "a run")
    checkpoints.drop_after(PROGRESS)
    checkpoints.close()
    assert kept(saved) == ["best/5", "last/7"]


@contextlib.contextmanager
def small_files(most: int) -> Iterator[None]:
    """The system refuses to let a file grow beyond so many bytes."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_the_system_refuses(saved: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = {path: path.read_bytes() for path in saved.rglob("*") if path.is_file()}
    random = np.random.default_rng(0)
    large = {"lstm": jnp.asarray(random.normal(size=(100, 100)), jnp.float32)}
    checkpoints = Checkpoints(saved, "a run")
    with small_files(20_000):
        checkpoints.save_best(9, large)
        with pytest.raises(RunError) as refused:
            checkpoints.wait()
    assert str(refused.value) == f"{saved / 'best' / '9'}: cannot be written: File too large"
    assert not caplog.records
    # The next one has room again.
    assert {path: path.read_bytes() for path in saved.rglob("*") if path.is_file()} == before
    checkpoints.save_best(9, large)
    checkpoints.wait()
    checkpoints.close()
    assert_same(load_best_params(saved, "a run", large), large)


@pytest.mark.parametrize("name", ["posix_fallocate", "fsync", "rename"])
def test_a_full_disk(saved: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    work, times = getattr(os, name), iter([1])

    def full_once(*args: Any) -> None:
        if next(times, 0):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        work(*args)

    checkpoints = Checkpoints(saved, "a run", keep=1)
    with monkeypatch.context() as patch:
        patch.setattr(os, name, full_once, raising=False)
        checkpoints.save_best(9, params_of(9))
        checkpoints.save_last(state_of(9), PROGRESS._replace(step=9, best_step=9))
        with pytest.raises(RunError, match="best/9: cannot be written: No space left on device"):
            checkpoints.wait()
        checkpoints.close()
    assert kept(saved) == ["best/5", "last/7"]
    assert restored(saved)[1].progress == PROGRESS


def test_arrays_know_nothing_of_their_devices(tmp_path: Path) -> None:
    # Saved by a process that has devices which this one lacks.
    code = (
        "import sys, jax, test_checkpoints as t\n"
        "from pathlib import Path\n"
        "device = jax.devices()[-1]\n"
        "assert len(jax.devices()) == 4\n"
        "mesh = jax.sharding.Mesh(jax.devices(), ('d',))\n"
        "spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())\n"
        "checkpoints = t.Checkpoints(Path(sys.argv[1]), 'a run')\n"
        "checkpoints.save_best(5, jax.device_put(t.params_of(5), device))\n"
        "checkpoints.save_last(jax.device_put(t.state_of(7), spread), t.PROGRESS)\n"
        "checkpoints.wait()\n"
        "checkpoints.close()\n"
    )
    here = Path(__file__).parent
    path = os.pathsep.join(
        map(
            str,
            [here, here.parents[1], here.parent / "support", *filter(None, [os.environ.get("PYTHONPATH")])],
        )
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "JAX_NUM_CPU_DEVICES": "4", "PYTHONPATH": path},
        check=True,
        timeout=300,
    )
    assert len(jax.devices()) == 1
    state, _ = restored(tmp_path)
    assert_same(state, state_of(7))
    assert all(leaf.devices() == set(jax.devices()) for leaf in jax.tree.leaves(state))
    assert_same(load_best_params(tmp_path, "a run", params_of(0)), params_of(5))
