"""Launches that are refused before anything is written, and errors of memory."""

from pathlib import Path
from typing import Any

import jax
import pytest
import tiny_corpus
from config_edits import edited
from tiny_runs import sampled_config, train_run

from mlmt_jax.errors import ConfigError, InputError, RunError
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.train import main
from mlmt_jax.training import launch


def test_too_few_devices_are_refused(corpus: Path) -> None:
    with pytest.raises(ConfigError, match=r"training.data_parallel: got 2, but JAX has 1 device"):
        train_run(corpus, sampled_config(data_parallel=2), "too_many")
    assert not (corpus.parent / "too_many" / "config.json").exists()


def test_too_large_model_is_refused(corpus: Path) -> None:
    data = edited(sampled_config(), {"components.1.hidden_size": 1_000_000})
    message = r'components\[1\]: "lstm" has 29802 GiB of parameters(.|\n)* 3 replicas(.|\n)* this machine\'s'
    with pytest.raises(ConfigError, match=message):
        train_run(corpus, data, "too_large", "--replicas", "3")
    assert not (corpus.parent / "too_large").exists()


def test_data_without_training_sentences_is_refused(corpus_copy: Path) -> None:
    (corpus_copy / "nld.ner.train").write_text("Piet B-PER\nwoont O\n", encoding="utf-8")
    data = edited(tiny_corpus.lean("nld ner"), {"datasets.0.max_len": 1})
    with pytest.raises(InputError, match="no training sentence"):
        train_run(corpus_copy, data, "run")
    assert not (corpus_copy.parent / "run").exists()


def test_span_metric_of_a_task_without_spans_is_refused(corpus: Path) -> None:
    data = edited(tiny_corpus.lean("nld pos"), {"tasks.0.metric": "span_f1"})
    with pytest.raises(ConfigError, match=r"metric.*'span_f1'.* not spans; expected 'accuracy' or 'auto'"):
        train_run(corpus, data, "no_spans")
    assert not (corpus.parent / "no_spans").exists()


def test_resuming_with_another_config_is_refused(tiny_run: Any) -> None:
    folder = RunFolder(tiny_run.folder)
    before = folder.read("config.json")
    resume = [str(tiny_run.config), "--output", str(tiny_run.folder), "--resume"]
    with pytest.raises(RunError, match="another config"):
        main([*resume, "--set", "tasks.0.learning_rate=0.1"])
    assert folder.read("config.json") == before


@pytest.mark.parametrize(
    "error", [MemoryError(), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating")]
)
def test_exhausted_memory_is_reported(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def train(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(launch, "train", train)
    name = type(error).__name__
    with pytest.raises(RunError, match=f"{name}: the run needs more memory than there is"):
        train_run(corpus, sampled_config(), name)
