"""Runs that are resumed although files of their folders are damaged or missing."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny_corpus
from tiny_runs import read_files, sampled_config

from mlmt_jax import Tagger
from mlmt_jax.errors import RunError
from mlmt_jax.train import main


def warnings_of(capsys: pytest.CaptureFixture[str]) -> str:
    """Return standard error without the phases of the training."""
    phases = ("compiling", "training", "evaluating")
    lines = capsys.readouterr().err.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(phases))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the tiny corpus and the config of a short run; return the config's path."""
    folder = tmp_path_factory.mktemp("run")
    tiny_corpus.write_corpus(folder)
    return tiny_corpus.write_config(folder, tiny_corpus.lean("nld ner", eval_freq=1, max_step=2), "c.json")


def train(config: Path, folder: Path, *options: str) -> dict[str, Any]:
    """Train; return the summary without its seconds."""
    main([str(config), "--output", str(folder), *options])
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return {**summary, "seconds": None}


def test_damaged_results_of_a_finished_run_are_replaced_or_refused(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    expected = train(config, folder)
    for damaged in ("{}", '{"steps": 2, "best_step', json.dumps({**expected, "scores": {}})):
        (folder / "summary.json").write_text(damaged, encoding="utf-8")
        assert train(config, folder, "--resume") == expected
    divergence = folder / "diverged.json"
    for damaged in ("{}", "[]", '{"step": "2", "message": "x"}', '{"step": 2, "message": "x", "more": 1}'):
        divergence.write_text(damaged, encoding="utf-8")
        with pytest.raises(RunError, match=r'diverged\.json: not what a run writes there; expected "step"'):
            train(config, folder, "--resume")
    divergence.write_text("", encoding="utf-8")
    with pytest.raises(RunError, match=r"diverged\.json: cannot be read"):
        train(config, folder, "--resume")


def test_run_that_crashed_before_its_folder_was_whole_starts_anew(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in (".lock", "run.json", "vocab.json"):
        (folder / name).touch()
    assert train(config, folder, "--resume") == train(config, tmp_path / "whole")
    assert train(config, folder, "--resume")["steps"] == 2


def damage_best(folder: Path) -> Path:
    """Damage all best checkpoints of a run; return the newest one."""
    checkpoints = sorted((folder / "checkpoints" / "best").iterdir())
    for best in checkpoints:
        (best / "checksums.json").write_text("{}", encoding="utf-8")
    return checkpoints[-1]


def steps(folder: Path) -> list[str]:
    """Return the steps of the checkpoints in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("added_steps", [0, 2])
def test_damaged_best_checkpoint_is_chosen_anew(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], added_steps: int
) -> None:
    # With this learning rate all scores are equal: all states refer to the best parameters of step 1.
    folder = tmp_path / "run"
    expected = train(config, folder, "--set", "tasks.0.learning_rate=1e-30", "--set", "training.keep=3")
    assert expected["best_step"] == 1
    best = damage_best(folder)
    options = [
        "--set",
        "tasks.0.learning_rate=1e-30",
        "--set",
        f"training.max_step={2 + added_steps}",
        "--resume",
    ]
    capsys.readouterr()
    summary = train(config, folder, *options)
    last = folder / "checkpoints" / "last" / "2"
    assert warnings_of(capsys) == (
        f"warning: {last.absolute()}: its best checkpoint {best.absolute()} cannot be used: checksums.json "
        "is damaged; nor can an older one: the best score starts anew; going on from step 2\n"
    )
    assert (summary["best_step"], summary["steps"]) == (2, 2 + added_steps)
    assert summary["scores"] == expected["scores"]
    assert steps(folder / "checkpoints" / "best") == ["2"]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 3 + added_steps))
    assert [line["best_step"] for line in lines] == [1, *[2] * (1 + added_steps)]
    Tagger.load(folder)
    assert train(config, folder, *options) == summary  # The run is finished.


def test_damaged_best_checkpoint_of_a_replica_is_refused(config: Path, tmp_path: Path) -> None:
    data = sampled_config(replicas=2)
    path = tiny_corpus.write_config(config.parent, data, "replicas.json")
    folder = tmp_path / "run"
    train(path, folder)
    damage_best(folder / "replicas" / "1")
    before = sorted(folder.rglob("*"))
    with pytest.raises(RunError, match=r"cannot be used: .*;\nno other checkpoint is left"):
        train(path, folder, "--resume", "--set", "training.max_step=12")
    assert sorted(folder.rglob("*")) == before


def test_missing_states_are_refused_unless_the_first_one_was_not_written(
    config: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    expected = train(config, folder)
    shutil.rmtree(folder / "checkpoints" / "last")
    before = read_files(folder)
    for remaining in ({"metrics.jsonl"}, {"summary.json"}, {"metrics.jsonl", "summary.json"}):
        for name in {"metrics.jsonl", "summary.json"} - remaining:
            (folder / name).unlink()
        with pytest.raises(RunError, match=r"checkpoints/last: missing .*;\nthe best .* can still tag"):
            train(config, folder, "--resume")
        for path, data in before.items():
            assert path.name not in remaining or path.read_bytes() == data
            path.write_bytes(data)
    # Simulate a crash before the first state was written.
    (folder / "summary.json").unlink()
    (folder / "metrics.jsonl").write_text('{"step": 1}\n', encoding="utf-8")
    shutil.rmtree(folder / "checkpoints" / "best" / "2", ignore_errors=True)
    assert train(config, folder, "--resume") == expected


def test_missing_metrics_are_reported(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    train(config, folder)
    (folder / "metrics.jsonl").unlink()
    capsys.readouterr()
    train(config, folder, "--resume", "--set", "training.max_step=3")
    warning = f"warning: {folder / 'metrics.jsonl'} is missing: nothing until step 2 will be in it\n"
    assert warnings_of(capsys) == warning
    [line] = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["step"] == 3
