"""Training from Python."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import tiny_corpus
from command_lines import status
from tiny_runs import read_metrics, script_scores

import mlmt_jax
from mlmt_jax import Tagger, train
from mlmt_jax.errors import ConfigError, DataError, RunError


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Write the tiny corpus to a folder; return it."""
    return tiny_corpus.write_corpus(tmp_path / "corpus").parent


SENTENCES = [["Piet", "woont", "in", "Gent"], []]


def small_config(**training: Any) -> dict[str, Any]:
    return tiny_corpus.lean("nld ner", **{"max_step": 8, "eval_freq": 4, **training})


@pytest.mark.parametrize("as_content", [True, False])
def test_it_trains_as_the_command_does(
    corpus: Path, tmp_path: Path, as_content: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    data: dict[str, Any] = {**small_config(), "data_root": str(corpus)}
    config = data if as_content else tiny_corpus.write_config(corpus, data, "fit.json")
    tagger = mlmt_jax.fit(config, tmp_path / "run")
    out = capsys.readouterr().out
    assert "step 8/8  nld ner dev F1" in out
    assert "next: " in out
    assert list(tagger.metrics) == read_metrics(tmp_path / "run")
    assert [record["step"] for record in tagger.metrics] == [4, 8]
    assert tagger.tag(SENTENCES) == Tagger.load(tmp_path / "run").tag(SENTENCES)
    assert data["training"] == small_config()["training"]  # the caller's object is as it was
    with pytest.raises(RunError, match="run"):
        mlmt_jax.fit(config, tmp_path / "run")
    longer = json.loads(json.dumps(data))
    longer["training"]["max_step"] = 12
    resumed = mlmt_jax.fit(longer, tmp_path / "run", resume=True)
    assert [record["step"] for record in resumed.metrics] == [4, 8, 12]


def test_errors_are_exceptions(corpus: Path, tmp_path: Path) -> None:
    data: dict[str, Any] = {**small_config(), "data_root": str(corpus)}
    with pytest.raises(ConfigError, match=r"training\.output: required key is missing"):
        mlmt_jax.fit(data)
    with pytest.raises(ConfigError, match=r"datasets\[0\].files.train: no such file"):
        mlmt_jax.fit(data | {"data_root": str(tmp_path)}, tmp_path / "run")
    with pytest.raises(ConfigError, match="max_steps: unknown key"):
        mlmt_jax.fit(small_config(max_steps=3), tmp_path / "run")
    broken = corpus / "broken"
    broken.write_text("Piet\n", encoding="utf-8")
    data["datasets"][0]["files"]["train"] = str(broken)
    with pytest.raises(DataError, match="broken:1"):
        mlmt_jax.fit(data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("as_content", [True, False])
def test_the_command_for_longer_training_works(
    corpus: Path,
    tmp_path: Path,
    as_content: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script_scores(monkeypatch, [0.1, 0.2, 0.3, *[0.3] * 3])
    data = small_config(max_step=6, eval_freq=2) | {"data_root": str(corpus)}
    config = data if as_content else tiny_corpus.write_config(corpus, data, "fit.json")
    mlmt_jax.fit(config, tmp_path / "123")
    command = capsys.readouterr().out.rsplit("next: ", 1)[1]
    assert "--resume" in command
    assert status(train.main, *shlex.split(command, comments=True)[3:]) == 0
    assert [record["step"] for record in read_metrics(tmp_path / "123")] == [2, 4, 6, 8, 10, 12]


def test_the_run_folder_may_be_named_as_a_number(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_corpus.write_config(corpus, small_config(max_step=4), "fit.json")
    monkeypatch.chdir(tmp_path)
    mlmt_jax.fit(config, "123")
    assert (tmp_path / "123" / "summary.json").exists()
