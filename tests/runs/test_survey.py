"""The survey of real run folders, and the decisions that follow from it."""

import contextlib
from pathlib import Path

import pytest
from stored_checkpoints import PROGRESS, random_params, random_state

from mlmt_jax.errors import RunError
from mlmt_jax.runs.checkpoints import Checkpoints
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.metrics_file import append_metrics
from mlmt_jax.runs.resume_plan import check_start
from mlmt_jax.runs.survey import folder_contents, replica_on_disk


def test_new_run_is_refused_in_the_folder_of_a_run(folder: RunFolder) -> None:
    with pytest.raises(RunError) as error:
        check_start(folder_contents(folder), resume=False)
    message = str(error.value)
    assert str(folder.path) in message
    assert "--resume" in message
    assert "--output" in message
    check_start(folder_contents(folder), resume=True)


@pytest.mark.parametrize("name", ["checkpoints", "metrics.jsonl"])
def test_remains_of_a_run_are_not_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(RunError, match="already holds a run"):
        check_start(folder_contents(RunFolder(tmp_path)), resume=False)


def test_folder_without_a_run_is_not_resumed(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    for folder in (tmp_path, tmp_path / "none", tmp_path / "notes.txt"):
        check_start(folder_contents(RunFolder(folder)), resume=False)
        with pytest.raises(RunError, match="there is no run to resume; start it without --resume"):
            check_start(folder_contents(RunFolder(folder)), resume=True)


@pytest.mark.parametrize(
    "names", [[], [".lock"], ["run.json", "vocab.json", ".samples.json.part", "replicas"]]
)
def test_unfinished_folder_is_resumed(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    check_start(folder_contents(RunFolder(tmp_path)), resume=True)
    assert not RunFolder(tmp_path).holds_run


@pytest.mark.parametrize("name", ["samples.json", "vocab.json", "summary.json", "diverged.json"])
def test_files_of_others_are_not_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}", encoding="utf-8")
    with pytest.raises(RunError, match=f"{name}: is not of a run"):
        check_start(folder_contents(RunFolder(tmp_path)), resume=False)


def test_replica_on_disk_lists_states_and_results(folder: RunFolder) -> None:
    with contextlib.closing(Checkpoints(folder.checkpoints, folder.id)) as checkpoints:
        replica = replica_on_disk(folder, checkpoints)
        assert replica == (folder.checkpoints, [], None, 0, False, None)
        checkpoints.save_best(5, random_params(5))
        checkpoints.save_last(random_state(7), PROGRESS)
        for step in (5, 10):
            append_metrics(folder.metrics, {"step": step})
        folder.write("summary.json", {})
        folder.write("diverged.json", {"step": 12, "message": "loss is nan"})
        replica = replica_on_disk(folder, checkpoints)
    [state] = replica.states
    assert (state.step, state.problem, state.progress, state.best_problem) == (7, None, PROGRESS, None)
    assert replica[2:] == (5, 10, True, (12, "loss is nan"))
