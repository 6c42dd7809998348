"""Refusals of links and special files in a run folder."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlmt_jax.errors import RunError
from mlmt_jax.runs.checkpoints import Checkpoints, load_best_params
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.lock import locked
from mlmt_jax.runs.metrics_file import drop_metrics_after

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="links need rights on Windows, which has no named pipes"
)


def replace_with_link(path: Path) -> None:
    """Move a file out of its folder and link to it."""
    path.symlink_to(path.rename(path.parents[1] / "outside"))


def replace_with_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_with_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def replace_with_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.fixture
def folder(folder: RunFolder) -> RunFolder:
    """Return the folder of a run with empty metrics."""
    folder.metrics.write_text("", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "change", [replace_with_link, replace_with_pipe, replace_with_device, replace_with_folder]
)
@pytest.mark.parametrize("name", ["run.json", "config.json", "vocab.json", "metrics.jsonl"])
def test_link_or_special_file_is_refused(
    folder: RunFolder, name: str, change: Callable[[Path], None]
) -> None:
    change(folder.path / name)
    message = rf"run/{name}: is (a link|not a regular file); expected "
    with pytest.raises(RunError, match=message):
        _ = (folder.vocabulary(), drop_metrics_after(folder.metrics, 0))


def test_run_folder_may_be_a_link(folder: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder.path)
    assert RunFolder(tmp_path / "link").config() == folder.config()


@pytest.mark.parametrize("name", ["checkpoints", "checkpoints/best", "checkpoints/best/5"])
def test_links_to_checkpoints_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "run" / "checkpoints"
    path.parent.mkdir()
    checkpoints = Checkpoints(path, "a run")
    checkpoints.save_best(5, {"a": np.zeros(3)})
    checkpoints.wait()
    replace_with_link(tmp_path / "run" / name)
    with pytest.raises(RunError, match=rf"{name}: .*is a link"):
        load_best_params(path, "a run", {})
    checkpoints.close()


def test_moved_run_folder_is_not_created_again(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "run" / "checkpoints", "a run")
    checkpoints.save_best(5, {"a": np.zeros(3)})
    with pytest.raises(RunError, match="best/5: cannot be written: No such file or directory"):
        checkpoints.wait()
    checkpoints.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["replicas", "replicas/0"])
def test_links_to_replicas_are_refused(folder: RunFolder, name: str) -> None:
    folder.replica(0).path.mkdir(parents=True)
    replace_with_link(folder.path / name)
    with pytest.raises(RunError, match=rf"{name}: is a link"):
        folder.replica(0)


def test_link_as_lock_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("text", encoding="utf-8")
    (tmp_path / ".lock").symlink_to(tmp_path / "target")
    with pytest.raises(RunError, match="cannot be written"), locked(tmp_path):
        pass
    assert (tmp_path / "target").read_text(encoding="utf-8") == "text"
