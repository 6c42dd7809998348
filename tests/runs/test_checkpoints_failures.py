"""Checkpoints that are damaged or of another run, and writes that the system refuses."""

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import stored_checkpoints as stored

from mlmt_jax.errors import RunError
from mlmt_jax.runs.checkpoints import Checkpoints, load_best_params


def truncate(path: Path) -> None:
    """Cut off the last byte of a file."""
    path.write_bytes(path.read_bytes()[:-1])


def flip_bit(path: Path) -> None:
    """Flip a bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def largest_file(folder: Path) -> Path:
    """Return the file of a checkpoint that holds most of its arrays."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "checksums.json"]
    return max(files, key=lambda path: path.stat().st_size)


def file_contents(folder: Path) -> dict[Path, bytes]:
    """Return the content of every file in a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_state_of_another_structure_is_refused(saved: Path) -> None:
    with (
        contextlib.closing(Checkpoints(saved, stored.RUN_ID)) as checkpoints,
        pytest.raises(RunError, match="last/7: not a state that this version can go on from"),
    ):
        checkpoints.restore_state(7, stored.random_state(99)._replace(synced={}))


OTHER_PARAMS: dict[str, Callable[[], dict[str, Any]]] = {
    r"\['words'\]\['table'\] has shape \(5, 3\), expected \(6, 3\)": lambda: {
        **stored.random_params(0),
        "words": {"table": jnp.zeros((6, 3))},
    },
    r"\['nld ner/gate'\]\['bias'\] has shape \(2,\), expected none": lambda: {
        "words": stored.random_params(0)["words"]
    },
    r"\['lstm'\]\['bias'\] has shape none, expected \(1,\)": lambda: {
        **stored.random_params(0),
        "lstm": {"bias": jnp.zeros(1)},
    },
}


@pytest.mark.parametrize("message", OTHER_PARAMS)
def test_parameters_of_other_shapes_are_refused(saved: Path, message: str) -> None:
    with pytest.raises(RunError, match=message):
        load_best_params(saved, stored.RUN_ID, OTHER_PARAMS[message]())


@pytest.mark.parametrize("damage", [truncate, flip_bit, Path.unlink])
def test_damaged_parameters_are_refused(saved: Path, damage: Callable[[Path], None]) -> None:
    path = largest_file(saved / "best" / "5")
    damage(path)
    problem = rf"params/\S*{path.name} is (damaged|missing)"
    with pytest.raises(RunError, match=rf"best/5: not a checkpoint that can be used: {problem}"):
        load_best_params(saved, stored.RUN_ID, stored.random_params(0))


def test_checkpoints_of_another_run_are_refused(saved: Path) -> None:
    with pytest.raises(RunError, match="best/5: not a checkpoint that can be used: belongs to another run"):
        load_best_params(saved, "another run", stored.random_params(0))
    message = r"last/7: belongs to another run, or run\.json is damaged;\n.*--output"
    with pytest.raises(RunError, match=message):
        stored.restore_newest(saved, "another run")


def test_older_state_is_restored_if_the_newest_is_damaged(saved: Path) -> None:
    stored.save_both(saved, 8)
    assert stored.restore_newest(saved)[1].progress.step == 8
    flip_bit(largest_file(saved / "last" / "8"))
    state, start = stored.restore_newest(saved)
    assert start.progress == stored.PROGRESS
    stored.assert_same_arrays(state, stored.random_state(7))
    [warning] = start.warnings
    assert str(saved / "last" / "8") in warning
    assert "is damaged" in warning
    truncate(saved / "last" / "7" / "progress.json")
    with pytest.raises(RunError, match=r"last/8: .* is damaged.*;\nno other checkpoint is left"):
        stored.restore_newest(saved)
    assert stored.checkpoint_names(saved) == ["best/5", "best/8", "last/7", "last/8"]


def test_state_with_damaged_best_parameters_is_not_restored(saved: Path) -> None:
    stored.save_both(saved, 8)
    flip_bit(largest_file(saved / "best" / "8"))
    _, start = stored.restore_newest(saved)
    assert start.progress.step == 7
    message = "last/8: its best checkpoint .*best/8 cannot be used: .* is damaged"
    assert re.search(message, start.warnings[0])


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let the system refuse, during the block, files of more than ``size`` bytes."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_refused_write_leaves_earlier_checkpoints(saved: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = file_contents(saved)
    random = np.random.default_rng(0)
    params = {"lstm": jnp.asarray(random.normal(size=(100, 100)), jnp.float32)}
    with contextlib.closing(Checkpoints(saved, stored.RUN_ID)) as checkpoints:
        with file_size_limit(20_000):
            checkpoints.save_best(9, params)
            with pytest.raises(RunError) as error:
                checkpoints.wait()
        assert str(error.value) == f"{saved / 'best' / '9'}: cannot be written: File too large"
        assert not caplog.records
        assert file_contents(saved) == before
        # The next write is not affected.
        checkpoints.save_best(9, params)
        checkpoints.wait()
    stored.assert_same_arrays(load_best_params(saved, stored.RUN_ID, params), params)


@pytest.mark.parametrize("name", ["posix_fallocate", "fsync", "rename"])
def test_full_disk_leaves_earlier_checkpoints(
    saved: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    call, failures = getattr(os, name), iter([1])

    def fail_once(*args: Any) -> None:
        if next(failures, 0):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        call(*args)

    checkpoints = Checkpoints(saved, stored.RUN_ID, keep=1)
    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail_once, raising=False)
        checkpoints.save_best(9, stored.random_params(9))
        checkpoints.save_last(stored.random_state(9), stored.PROGRESS._replace(step=9, best_step=9))
        with pytest.raises(RunError, match="best/9: cannot be written: No space left on device"):
            checkpoints.wait()
        checkpoints.close()
    assert stored.checkpoint_names(saved) == ["best/5", "last/7"]
    assert stored.restore_newest(saved)[1].progress == stored.PROGRESS
