"""Runs of replicas that are resumed: from a common step, or else their folders stay unchanged."""

import shutil
import signal
from pathlib import Path
from typing import Any

import jax
import pytest
from tiny_runs import (
    assert_same_end,
    read_json,
    read_metrics,
    sampled_config,
    script_scores,
    train_run,
)

from mlmt_jax.errors import RunError
from mlmt_jax.train import main
from mlmt_jax.training import plan, run
from mlmt_jax.training.replica_group import ReplicaGroup
from mlmt_jax.training.replica_set import ReplicaSet
from mlmt_jax.training.tables import statistics_table


def test_replicas_stopped_before_their_first_step_start_anew(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uninterrupted = train_run(corpus, sampled_config(), "from_the_start", "--replicas", "2")
    start = ReplicaSet.start

    def start_and_stop(replicas: ReplicaSet, states: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return start(replicas, states)

    with monkeypatch.context() as patch:
        patch.setattr(ReplicaSet, "start", start_and_stop)
        with pytest.raises(SystemExit):
            train_run(corpus, sampled_config(), "at_once", "--replicas", "2")
    folder = corpus.parent / "at_once"
    # Simulate a crash before the second replica was saved.
    shutil.rmtree(folder / "replicas" / "1" / "checkpoints" / "last" / "0")
    train_run(corpus, sampled_config(), "at_once", "--replicas", "2", "--resume")
    assert_same_end(corpus, folder, uninterrupted, 2)


def test_restored_states_of_replicas_are_held_on_the_host(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The device memory holds the states of all replicas once, not twice.
    stack, on_device = ReplicaGroup.stack, []

    def recorded_stack(group: Any, states: Any) -> Any:
        on_device.extend(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(states))
        return stack(group, states)

    monkeypatch.setattr(ReplicaGroup, "stack", recorded_stack)
    train_run(corpus, sampled_config(), "on_host", "--replicas", "2", "--set", "training.max_step=4")
    train_run(corpus, sampled_config(), "on_host", "--replicas", "2", "--resume")
    assert on_device
    assert not any(on_device)


def test_replicas_that_ended_at_different_steps_stay_unchanged(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script_scores(monkeypatch, [0.5, 0.1, 0.4, 0.2, 0.3, 0.4, 0.3])
    data = sampled_config(patience=1, eval_freq=2, max_step=20)
    folder = train_run(corpus, data, "ended", "--replicas", "2")
    assert [len(read_metrics(folder / "replicas" / str(r))) for r in range(2)] == [2, 5]
    json_files = lambda: {path: path.read_bytes() for path in folder.rglob("*.json*")}
    before = json_files()
    capsys.readouterr()
    train_run(corpus, data, "ended", "--replicas", "2", "--resume")
    assert "start anew with another --output" in capsys.readouterr().out
    with pytest.raises(RunError, match="keep patience as it was"):
        train_run(corpus, data, "ended", "--replicas", "2", "--resume", "--set", "training.patience=9")
    assert json_files() == before


def test_replica_is_resumed_only_as_a_copy_elsewhere(corpus: Path) -> None:
    folder = train_run(corpus, sampled_config(), "parent", "--replicas", "2")
    replica, copy = folder / "replicas" / "1", corpus.parent / "copy"
    shutil.copytree(replica, copy)
    options = ["--resume", "--set", "training.max_step=12"]
    with pytest.raises(RunError, match=r"replicas/1: is a replica of a run.*\n.*a copy of this folder"):
        main([str(replica / "config.json"), "--output", str(replica), *options])
    main([str(copy / "config.json"), "--output", str(copy), *options])
    assert [record["step"] for record in read_metrics(copy)] == [4, 8, 12]


def test_replicas_without_all_first_states_start_anew(corpus: Path) -> None:
    uninterrupted = train_run(corpus, sampled_config(), "uncut", "--replicas", "2")
    folder = train_run(corpus, sampled_config(), "cut", "--replicas", "2", "--set", "training.max_step=4")
    for name in ("summary.json", "replicas/0/summary.json", "replicas/1/summary.json"):
        (folder / name).unlink()
    shutil.rmtree(folder / "replicas" / "1" / "checkpoints" / "last")
    train_run(corpus, sampled_config(), "cut", "--replicas", "2", "--resume")
    for number in ("0", "1"):
        records, expected = (read_metrics(run / "replicas" / number) for run in (folder, uninterrupted))
        assert [record["losses"] for record in records] == [record["losses"] for record in expected]


def test_stopped_replicas_are_resumed_from_a_common_step(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uninterrupted = train_run(corpus, sampled_config(), "whole", "--replicas", "2")
    draw_task = plan.draw_task

    def draw_or_stop(weights: Any, step: int) -> str:
        if step == 5:
            signal.raise_signal(signal.SIGTERM)
        return draw_task(weights, step)

    with monkeypatch.context() as patch:
        patch.setattr(plan, "draw_task", draw_or_stop)
        with pytest.raises(SystemExit) as stopped:
            train_run(corpus, sampled_config(), "stopped", "--replicas", "2")
    assert stopped.value.code == 128 + signal.SIGTERM
    folder = corpus.parent / "stopped"
    # Simulate a crash between two writes: replica 1 lacks the newest state.
    shutil.rmtree(folder / "replicas" / "1" / "checkpoints" / "last" / "6")
    train_run(corpus, sampled_config(), "stopped", "--replicas", "2", "--resume")
    assert_same_end(corpus, folder, uninterrupted, 2)
    capsys.readouterr()
    train_run(corpus, sampled_config(), "stopped", "--replicas", "2", "--resume")
    assert "the run is finished" in capsys.readouterr().out
    summary, config = (read_json(folder, name) for name in ("summary.json", "config.json"))
    # Simulate a crash before the last write.
    (folder / "summary.json").unlink()
    train_run(
        corpus, sampled_config(), "stopped", "--replicas", "2", "--resume", "--set", "training.max_step=4"
    )
    out = capsys.readouterr().out
    assert "the run is finished: it has had 8 steps" in out
    assert statistics_table(summary["statistics"]) in out
    assert read_json(folder, "summary.json") == summary
    assert read_json(folder, "config.json") == config  # Nothing was trained with the other max_step.


def test_signal_during_the_last_final_scores_is_ignored(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_replica, calls = run.score_replica, []

    def score_and_send_signal(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGTERM)
        return score_replica(*arguments)

    monkeypatch.setattr(run, "score_replica", score_and_send_signal)
    folder = train_run(corpus, sampled_config(), "late", "--replicas", "2")
    assert len(calls) == len(read_json(folder, "summary.json")["replicas"]) == 2


def test_states_without_a_common_step_are_refused(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        script_scores(patch, [0.5, 0.1, 0.4, 0.2, 0.3, 0.3])
        data = sampled_config(patience=1, eval_freq=2, max_step=8)
        folder = train_run(corpus, data, "apart", "--replicas", "2")
    before = sorted(path for path in folder.rglob("*") if path.name != "config.json")
    with pytest.raises(RunError, match=r"no step of which all replicas have a state") as error:
        train_run(corpus, data, "apart", "--replicas", "2", "--resume", "--set", "training.patience=9")
    assert "replica 0: 4, replica 1: 8" in str(error.value)
    assert sorted(path for path in folder.rglob("*") if path.name != "config.json") == before
    # With its own patience the run is finished: replica 0 has ended, replica 1 has had all steps.
    capsys.readouterr()
    train_run(corpus, data, "apart", "--replicas", "2", "--resume")
    assert "the run is finished" in capsys.readouterr().out


def test_damaged_state_of_one_replica_is_replaced(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uninterrupted = train_run(corpus, sampled_config(), "undamaged", "--replicas", "2")
    folder = train_run(corpus, sampled_config(keep=1), "damaged", "--replicas", "2")
    [progress] = (folder / "replicas" / "0" / "checkpoints" / "last" / "8").glob("**/progress.json")
    progress.write_text("{}", encoding="utf-8")
    train_run(corpus, sampled_config(keep=1), "damaged", "--replicas", "2", "--resume")
    assert "progress.json is damaged" in capsys.readouterr().err
    assert_same_end(corpus, folder, uninterrupted, 2)
