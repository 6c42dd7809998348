"""A run folder is read from nowhere else, and never waited for."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlmt_jax.config import load_config
from mlmt_jax.corpus.corpora import load_corpus
from mlmt_jax.errors import RunError
from mlmt_jax.runs.checkpoints import Checkpoints, load_best_params
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.lock import locked
from mlmt_jax.runs.metrics_file import drop_metrics_after
from mlmt_jax.runs.same_run import data_records

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links need rights, and there are no pipes")


def link(path: Path) -> None:
    """Has the same content come from outside."""
    path.symlink_to(path.rename(path.parents[1] / "outside"))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def folder_of(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.fixture
def folder(tiny_config: Path, tmp_path: Path) -> RunFolder:
    config = load_config(tiny_config)
    folder = RunFolder(tmp_path / "run")
    folder.create(config, [(config, data_records(config, load_corpus(config)))])
    folder.metrics.write_text("", encoding="utf-8")
    return folder


@pytest.mark.parametrize("change", [link, pipe, endless, folder_of])
@pytest.mark.parametrize("name", ["run.json", "config.json", "vocab.json", "metrics.jsonl"])
def test_a_file_that_is_not_the_runs_own(
    folder: RunFolder, name: str, change: Callable[[Path], None]
) -> None:
    change(folder.path / name)
    wrong = rf"run/{name}: is (a link|not a regular file); expected "
    with pytest.raises(RunError, match=wrong):
        _ = (folder.vocabulary(), drop_metrics_after(folder.metrics, 0))


def test_the_folder_itself_may_be_a_link(folder: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder.path)
    assert RunFolder(tmp_path / "link").config() == folder.config()


@pytest.mark.parametrize("name", ["checkpoints", "checkpoints/best", "checkpoints/best/5"])
def test_checkpoints_elsewhere(tmp_path: Path, name: str) -> None:
    made = tmp_path / "run" / "checkpoints"
    made.parent.mkdir()
    checkpoints = Checkpoints(made, "a run")
    checkpoints.save_best(5, {"a": np.zeros(3)})
    checkpoints.wait()
    link(tmp_path / "run" / name)
    with pytest.raises(RunError, match=rf"{name}: .*is a link"):
        load_best_params(made, "a run", {})
    checkpoints.close()


def test_a_run_folder_that_was_moved_away_is_not_made_anew(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "run" / "checkpoints", "a run")
    checkpoints.save_best(5, {"a": np.zeros(3)})
    with pytest.raises(RunError, match="best/5: cannot be written: No such file or directory"):
        checkpoints.wait()
    checkpoints.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["replicas", "replicas/0"])
def test_replicas_elsewhere(folder: RunFolder, name: str) -> None:
    folder.replica(0).path.mkdir(parents=True)
    link(folder.path / name)
    with pytest.raises(RunError, match=rf"{name}: is a link"):
        folder.replica(0)


def test_a_lock_that_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("text", encoding="utf-8")
    (tmp_path / ".lock").symlink_to(tmp_path / "mine")
    with pytest.raises(RunError, match="cannot be written"), locked(tmp_path):
        pass
    assert (tmp_path / "mine").read_text(encoding="utf-8") == "text"
