"""Runs side by side that are resumed: they go on from one step, or nothing of them is changed."""

import shutil
import signal
from pathlib import Path
from typing import Any

import jax
import pytest
from config_edits import edited
from replica_runs import assert_same_end, metrics, read, sampled, scripted, trained

from mlmt_jax.errors import RunError
from mlmt_jax.train import main
from mlmt_jax.training import plan, run
from mlmt_jax.training.replica_group import ReplicaGroup
from mlmt_jax.training.replica_set import ReplicaSet
from mlmt_jax.training.tables import statistics_table


def test_replicas_that_were_stopped_before_their_first_step(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(corpus, sampled(), "from_the_start", "--replicas", "2")
    start = ReplicaSet.start

    def start_and_stop(replicas: ReplicaSet, states: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return start(replicas, states)

    with monkeypatch.context() as patch:
        patch.setattr(ReplicaSet, "start", start_and_stop)
        with pytest.raises(SystemExit):
            trained(corpus, sampled(), "at_once", "--replicas", "2")
    folder = corpus.parent / "at_once"
    # As if the process had been killed before the second replica had been saved.
    shutil.rmtree(folder / "replicas" / "1" / "checkpoints" / "last" / "0")
    trained(corpus, sampled(), "at_once", "--replicas", "2", "--resume")
    assert_same_end(corpus, folder, whole, 2)


def test_replicas_wait_on_the_host_for_their_place(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that holds the states of all need not hold them twice."""
    stack, kinds = ReplicaGroup.stack, []

    def stack_and_look(group: Any, states: Any) -> Any:
        kinds.extend(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(states))
        return stack(group, states)

    monkeypatch.setattr(ReplicaGroup, "stack", stack_and_look)
    trained(corpus, sampled(), "places", "--replicas", "2", "--set", "training.max_step=4")
    trained(corpus, sampled(), "places", "--replicas", "2", "--resume")
    assert kinds
    assert not any(kinds)


def test_replicas_that_ended_at_different_steps_are_left_as_they_are(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted(monkeypatch, [0.5, 0.1, 0.4, 0.2, 0.3, 0.4, 0.3])
    data = edited(sampled(patience=1), {"training.eval_freq": 2, "training.max_step": 20})
    folder = trained(corpus, data, "ended", "--replicas", "2")
    assert [len(metrics(folder / "replicas" / str(r))) for r in range(2)] == [2, 5]
    files = lambda: {path: path.read_bytes() for path in folder.rglob("*.json*")}
    before = files()
    capsys.readouterr()
    trained(corpus, data, "ended", "--replicas", "2", "--resume")
    assert "start anew with another --output" in capsys.readouterr().out
    with pytest.raises(RunError, match="keep patience as it was"):
        trained(corpus, data, "ended", "--replicas", "2", "--resume", "--set", "training.patience=9")
    assert files() == before


def test_a_replica_goes_on_with_its_run_or_elsewhere(corpus: Path) -> None:
    folder = trained(corpus, sampled(), "parent", "--replicas", "2")
    own, copy = folder / "replicas" / "1", corpus.parent / "copy"
    shutil.copytree(own, copy)
    options = ["--resume", "--set", "training.max_step=12"]
    with pytest.raises(RunError, match=r"replicas/1: is a replica of a run.*\n.*a copy of this folder"):
        main([str(own / "config.json"), "--output", str(own), *options])
    main([str(copy / "config.json"), "--output", str(copy), *options])
    assert [record["step"] for record in metrics(copy)] == [4, 8, 12]


def test_replicas_that_end_while_their_first_states_are_written_start_anew(corpus: Path) -> None:
    whole = trained(corpus, sampled(), "uncut", "--replicas", "2")
    folder = trained(corpus, sampled(), "cut", "--replicas", "2", "--set", "training.max_step=4")
    for name in ("summary.json", "replicas/0/summary.json", "replicas/1/summary.json"):
        (folder / name).unlink()
    shutil.rmtree(folder / "replicas" / "1" / "checkpoints" / "last")
    trained(corpus, sampled(), "cut", "--replicas", "2", "--resume")
    for number in ("0", "1"):
        found, expected = (metrics(one / "replicas" / number) for one in (folder, whole))
        assert [record["losses"] for record in found] == [record["losses"] for record in expected]


def test_replicas_that_were_stopped_go_on_from_one_step(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = trained(corpus, sampled(), "whole", "--replicas", "2")
    draw = plan.draw_task

    def draw_or_stop(weights: Any, now: int) -> str:
        if now == 5:
            signal.raise_signal(signal.SIGTERM)
        return draw(weights, now)

    with monkeypatch.context() as patch:
        patch.setattr(plan, "draw_task", draw_or_stop)
        with pytest.raises(SystemExit) as stopped:
            trained(corpus, sampled(), "stopped", "--replicas", "2")
    assert stopped.value.code == 128 + signal.SIGTERM
    folder = corpus.parent / "stopped"
    # As if the process had ended between the two: the second replica lacks the newest state.
    shutil.rmtree(folder / "replicas" / "1" / "checkpoints" / "last" / "6")
    trained(corpus, sampled(), "stopped", "--replicas", "2", "--resume")
    assert_same_end(corpus, folder, whole, 2)
    capsys.readouterr()
    trained(corpus, sampled(), "stopped", "--replicas", "2", "--resume")
    assert "the run is finished" in capsys.readouterr().out
    summary, config = (read(folder, name) for name in ("summary.json", "config.json"))
    # As if it had been killed before its last file was written.
    (folder / "summary.json").unlink()
    trained(corpus, sampled(), "stopped", "--replicas", "2", "--resume", "--set", "training.max_step=4")
    out = capsys.readouterr().out
    assert "the run is finished: it has had 8 steps" in out
    assert statistics_table(summary["statistics"]) in out
    assert read(folder, "summary.json") == summary
    assert read(folder, "config.json") == config  # it is not what nothing was done by


def test_a_signal_while_the_last_replica_is_scored_stops_nothing(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score, scored = run.score_replica, []

    def score_and_stop(*arguments: Any) -> Any:
        scored.append(arguments)
        if len(scored) == 2:
            signal.raise_signal(signal.SIGTERM)
        return score(*arguments)

    monkeypatch.setattr(run, "score_replica", score_and_stop)
    folder = trained(corpus, sampled(), "late", "--replicas", "2")
    assert len(scored) == len(read(folder, "summary.json")["replicas"]) == 2


def test_nothing_is_lost_where_replicas_have_no_step_in_common(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        scripted(patch, [0.5, 0.1, 0.4, 0.2, 0.3, 0.3])
        data = edited(sampled(patience=1), {"training.eval_freq": 2, "training.max_step": 8})
        folder = trained(corpus, data, "apart", "--replicas", "2")
    before = sorted(path for path in folder.rglob("*") if path.name != "config.json")
    with pytest.raises(RunError, match=r"no step of which all replicas have a state") as refused:
        trained(corpus, data, "apart", "--replicas", "2", "--resume", "--set", "training.patience=9")
    assert "replica 0: 4, replica 1: 8" in str(refused.value)
    assert sorted(path for path in folder.rglob("*") if path.name != "config.json") == before
    # With the patience that it had, more steps are for those that have not ended.
    capsys.readouterr()
    trained(corpus, data, "apart", "--replicas", "2", "--resume")
    assert "the run is finished" in capsys.readouterr().out


def test_a_damaged_state_of_one_replica(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = trained(corpus, sampled(), "undamaged", "--replicas", "2")
    folder = trained(corpus, sampled(keep=1), "damaged", "--replicas", "2")
    [damaged] = (folder / "replicas" / "0" / "checkpoints" / "last" / "8").glob("**/progress.json")
    damaged.write_text("{}", encoding="utf-8")
    trained(corpus, sampled(keep=1), "damaged", "--replicas", "2", "--resume")
    assert "progress.json is damaged" in capsys.readouterr().err
    assert_same_end(corpus, folder, whole, 2)
