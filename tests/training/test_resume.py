"""A run that is taken up again where a file of its folder is damaged or was never written."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny_corpus
from replica_runs import sampled

from mlmt_jax import Tagger
from mlmt_jax.errors import RunError
from mlmt_jax.train import main


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    tiny_corpus.write_corpus(folder)
    return tiny_corpus.write_config(folder, tiny_corpus.lean("nld ner", eval_freq=1, max_step=2), "c.json")


def train(config: Path, folder: Path, *flags: str) -> dict[str, Any]:
    main([str(config), "--output", str(folder), *flags])
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return {**summary, "seconds": None}


def test_files_that_a_finished_run_lacks(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    whole = train(config, folder)
    for damaged in ("{}", '{"steps": 2, "best_step', json.dumps({**whole, "scores": {}})):
        (folder / "summary.json").write_text(damaged, encoding="utf-8")
        assert train(config, folder, "--resume") == whole
    note = folder / "diverged.json"
    for damaged in ("{}", "[]", '{"step": "2", "message": "x"}', '{"step": 2, "message": "x", "more": 1}'):
        note.write_text(damaged, encoding="utf-8")
        with pytest.raises(RunError, match=r'diverged\.json: not what a run writes there; expected "step"'):
            train(config, folder, "--resume")
    note.write_text("", encoding="utf-8")
    with pytest.raises(RunError, match=r"diverged\.json: cannot be read"):
        train(config, folder, "--resume")


def test_a_run_that_was_ended_before_its_folder_was_whole(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in (".lock", "run.json", "vocab.json"):
        (folder / name).touch()
    assert train(config, folder, "--resume") == train(config, tmp_path / "whole")
    assert train(config, folder, "--resume")["steps"] == 2


def damage_best(folder: Path) -> Path:
    found = sorted((folder / "checkpoints" / "best").iterdir())
    for best in found:
        (best / "checksums.json").write_text("{}", encoding="utf-8")
    return found[-1]


def steps(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("more", [0, 2])
def test_a_damaged_best_checkpoint_is_not_the_end(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: int
) -> None:
    # All evaluations score alike, so that all states count on the first one's parameters.
    folder = tmp_path / "run"
    whole = train(config, folder, "--set", "tasks.0.learning_rate=1e-30", "--set", "training.keep=3")
    assert whole["best_step"] == 1
    best = damage_best(folder)
    flags = ["--set", "tasks.0.learning_rate=1e-30", "--set", f"training.max_step={2 + more}", "--resume"]
    capsys.readouterr()
    again = train(config, folder, *flags)
    last = folder / "checkpoints" / "last" / "2"
    assert capsys.readouterr().err == (
        f"warning: {last.absolute()}: its best checkpoint {best.absolute()} cannot be used: checksums.json "
        "is damaged; nor can an older one: the best score starts anew; going on from step 2\n"
    )
    assert (again["best_step"], again["steps"]) == (2, 2 + more)
    assert again["scores"] == whole["scores"]
    assert steps(folder / "checkpoints" / "best") == ["2"]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 3 + more))
    assert [line["best_step"] for line in lines] == [1, *[2] * (1 + more)]
    Tagger.load(folder)
    assert train(config, folder, *flags) == again  # finished


def test_a_replica_whose_best_checkpoint_is_damaged(config: Path, tmp_path: Path) -> None:
    data = sampled(replicas=2)
    path = tiny_corpus.write_config(config.parent, data, "replicas.json")
    folder = tmp_path / "run"
    train(path, folder)
    damage_best(folder / "replicas" / "1")
    before = sorted(folder.rglob("*"))
    with pytest.raises(RunError, match=r"cannot be used: .*;\nno other checkpoint is left"):
        train(path, folder, "--resume", "--set", "training.max_step=12")
    assert sorted(folder.rglob("*")) == before


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_whose_states_are_gone(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    whole = train(config, folder)
    shutil.rmtree(folder / "checkpoints" / "last")
    before = files(folder)
    for kept in ({"metrics.jsonl"}, {"summary.json"}, {"metrics.jsonl", "summary.json"}):
        for name in {"metrics.jsonl", "summary.json"} - kept:
            (folder / name).unlink()
        with pytest.raises(RunError, match=r"checkpoints/last: missing .*;\nthe best .* can still tag"):
            train(config, folder, "--resume")
        for path, data in before.items():
            assert path.name not in kept or path.read_bytes() == data
            path.write_bytes(data)
    # As if it had been ended before it wrote the first one.
    (folder / "summary.json").unlink()
    (folder / "metrics.jsonl").write_text('{"step": 1}\n', encoding="utf-8")
    shutil.rmtree(folder / "checkpoints" / "best" / "2", ignore_errors=True)
    assert train(config, folder, "--resume") == whole


def test_a_run_whose_metrics_are_gone(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    train(config, folder)
    (folder / "metrics.jsonl").unlink()
    capsys.readouterr()
    train(config, folder, "--resume", "--set", "training.max_step=3")
    warning = f"warning: {folder / 'metrics.jsonl'} is missing: nothing until step 2 will be in it\n"
    assert capsys.readouterr().err == warning
    [line] = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["step"] == 3
