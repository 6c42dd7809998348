"""Runs that are stopped and resumed."""

import signal
from pathlib import Path
from typing import Any

import jax
import pytest
import tiny_corpus
from stored_checkpoints import assert_same_arrays
from tiny_runs import newest_state, read_files, read_json, read_metrics

from mlmt_jax.config import load_config
from mlmt_jax.model.build import init_params
from mlmt_jax.runs.checkpoints import load_best_params
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.train import main
from mlmt_jax.training import plan
from mlmt_jax.training.setup import prepare

COMPARED = ("scores", "losses", "gradient_norms", "learning_rates", "task_steps", "best_step", "step")


def interrupt_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Send Ctrl-C as a step (from 0) begins, which is then the last one."""
    draw_task = plan.draw_task

    def draw_or_interrupt(weights: Any, number: int) -> str:
        if number == step:
            signal.raise_signal(signal.SIGINT)
        return draw_task(weights, number)

    monkeypatch.setattr(plan, "draw_task", draw_or_interrupt)


def test_interrupted_run_equals_the_uninterrupted_one(
    tiny_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    start = [str(tiny_run.config), "--output", str(folder)]
    resume = [*start, "--resume"]
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3)  # before an evaluation
        with pytest.raises(SystemExit) as stopped:
            main(start)
    assert stopped.value.code == 130
    assert "--resume" in capsys.readouterr().err
    # A killed process may leave a line without its checkpoint, and part of a line.
    (folder / "metrics.jsonl").write_text('{"step": 8, "stale": true}\n{"st', encoding="utf-8")
    main([*resume, "--set", "training.max_step=10"])  # no multiple of eval_freq
    assert [record["step"] for record in read_metrics(folder)] == [8, 10]
    assert (folder / "summary.json").exists()
    with monkeypatch.context() as patch:
        interrupt_at(patch, 19)
        with pytest.raises(SystemExit):
            main(resume)
    assert [record["step"] for record in read_metrics(folder)] == [8, 16]
    main(resume)
    records, expected_records = read_metrics(folder), read_metrics(tiny_run.folder)
    assert [[record[key] for key in COMPARED] for record in records] == [
        [record[key] for key in COMPARED] for record in expected_records
    ]
    assert len({name for record in records for name in record["losses"]}) == 4
    setup = prepare(load_config(tiny_run.config))
    state, progress = newest_state(setup, RunFolder(folder))
    expected_state, expected_progress = newest_state(setup, RunFolder(tiny_run.folder))
    assert_same_arrays(state, expected_state)
    assert progress._replace(seconds=0) == expected_progress._replace(seconds=0)
    shapes = jax.eval_shape(lambda: init_params(setup.model, jax.random.key(0)))
    params, expected_params = (
        load_best_params(run / "checkpoints", RunFolder(run).id, shapes) for run in (folder, tiny_run.folder)
    )
    assert_same_arrays(params, expected_params)
    assert read_json(folder, "config.json")["training"]["max_step"] == tiny_corpus.TRAINED_STEPS
    # A lost summary of a finished run is written again.
    (folder / "summary.json").unlink()
    main(resume)
    before = read_files(folder)
    capsys.readouterr()
    main(resume)
    assert "the run is finished: it has had 24 steps; raise training.max_step" in capsys.readouterr().out
    assert read_files(folder) == before
    summary, expected_summary = (read_json(run, "summary.json") for run in (folder, tiny_run.folder))
    assert summary["scores"] == expected_summary["scores"]
