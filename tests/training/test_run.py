"""A run that is taken up again where a file of its folder is damaged or was never written."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_corpus

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
