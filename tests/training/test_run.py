"""Whole runs: when they end, which checkpoint they keep, and their scores."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import tiny_corpus
from config_edits import GONE, edited
from stored_checkpoints import assert_same_arrays
from task_grid import only_tasks
from tiny_runs import read_files, read_json, read_metrics, script_scores, train_run

from mlmt_jax.config import load_config
from mlmt_jax.model.build import init_params
from mlmt_jax.runs.checkpoints import load_best_params
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.train import main
from mlmt_jax.training.setup import prepare


def test_few_programs_are_compiled(tiny_run: Any) -> None:
    setup = prepare(load_config(tiny_run.config))
    [shapes] = {batches.padding.shapes for batches in setup.batches.values()}
    steps = [program for program in tiny_run.programs if "train_step" in program]
    assert 1 <= len(steps) <= len(shapes) <= 2  # four task models of one kind
    # Three epochs or more of the target: the first one compiles all of its programs.
    target_steps = read_metrics(tiny_run.folder)[-1]["task_steps"]["nld ner"]
    assert target_steps > 2 * setup.batches["nld ner"].batches_per_epoch
    decoders = [program for program in tiny_run.programs if "decode" in program]
    assert len(decoders) <= 4  # of two shapes: tags and losses, then tags and probabilities


def test_patience_ends_a_run_and_the_best_checkpoint_stays(
    corpus_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_scores(monkeypatch, [0.1, 0.5, 0.5, 0.4])
    data = tiny_corpus.lean("nld ner", patience=2, eval_freq=2, max_step=100)
    folder = train_run(corpus_copy, data, "run")
    summary, records = read_json(folder, "summary.json"), read_metrics(folder)
    # An equal score is not better: the earlier checkpoint stays.
    assert (summary["best_step"], summary["steps"]) == (4, 8)
    assert [record["best_step"] for record in records] == [2, 4, 4, 4]
    setup = prepare(load_config(corpus_copy / "run.json"))
    script_scores(monkeypatch, [0.1, 0.2])
    short = train_run(corpus_copy, edited(data, {"training.max_step": 4}), "short")
    shapes = jax.eval_shape(lambda: init_params(setup.model, jax.random.key(0)))
    params, short_params = (
        load_best_params(run / "checkpoints", RunFolder(run).id, shapes) for run in (folder, short)
    )
    assert_same_arrays(params, short_params)
    # The summary has the scores of the best checkpoint, not of the last one.
    scores = [record["scores"]["nld ner"]["dev"] for record in records]
    assert summary["scores"]["nld ner"]["dev"] == scores[1] != scores[-1]


def test_last_checkpoint_is_the_best_if_all_scores_are_0(
    corpus_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_scores(monkeypatch, [0.0, 0.0, 0.0])
    data = tiny_corpus.lean("nld ner", patience=2, eval_freq=2, max_step=100)
    summary = read_json(train_run(corpus_copy, data, "run"), "summary.json")
    assert (summary["best_step"], summary["steps"]) == (6, 6)  # Patience ends the run all the same.


def test_max_epoch_counts_epochs_of_the_target(corpus_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = edited(tiny_corpus.lean("nld ner", max_epoch=2, eval_freq=100), {"training.max_step": GONE})
    folder = train_run(corpus_copy, data, "run")
    summary = read_json(folder, "summary.json")
    assert summary["steps"] == 2 * tiny_corpus.SENTENCES / 4
    assert [record["step"] for record in read_metrics(folder)] == [6]
    assert summary["best_step"] == 6
    assert "best step 6 of 6, " in capsys.readouterr().out
    # The state is from before the last evaluation, which a longer run would not have at this step.
    before = read_files(folder)
    main([str(corpus_copy / "run.json"), "--output", str(folder), "--resume"])
    assert "the run is finished: it has had 6 steps" in capsys.readouterr().out
    assert read_files(folder) == before


def test_max_step_ends_a_run_before_max_epoch(corpus_copy: Path) -> None:
    data = tiny_corpus.lean("nld ner", max_epoch=2, eval_freq=100, max_step=5)
    assert read_json(train_run(corpus_copy, data, "run"), "summary.json")["steps"] == 5


def test_auxiliary_task_without_sentences_is_only_scored(corpus_copy: Path) -> None:
    data = only_tasks(tiny_corpus.without_characters(tiny_corpus.config()), "nld ner", "afr ner")
    edits = {"training.max_step": 2, "datasets.1.sample": 0, "tasks.1.require_eval": False}
    folder = train_run(corpus_copy, edited(data, edits), "run")
    summary = read_json(folder, "summary.json")
    assert summary["task_steps"] == {"nld ner": 2, "afr ner": 0}
    assert set(read_metrics(folder)[0]["scores"]) == {"nld ner"}
    assert set(summary["scores"]["afr ner"]) == {"dev", "test"}
    assert read_json(folder, "samples.json")["afr_ner"]["sentences"] == []


def test_part_of_speech_target_is_selected_by_accuracy(corpus_copy: Path) -> None:
    name = "nld pos"
    data = edited(tiny_corpus.lean(name, max_step=8, eval_freq=2), {"datasets.0.files.test": GONE})
    folder = train_run(corpus_copy, data, "run")
    summary = read_json(folder, "summary.json")
    accuracies = [record["scores"][name]["dev"]["accuracy"] for record in read_metrics(folder)]
    assert summary["best_step"] == 2 * (1 + int(np.argmax(accuracies)))
    assert max(accuracies) > accuracies[0]
    assert set(summary["scores"][name]) == {"dev"}
    assert summary["scores"][name]["dev"]["f1"] is None
    assert summary["scores"][name]["dev"]["accuracy"] == max(accuracies)


def test_tags_that_are_not_in_the_training_data_are_scored(
    corpus_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split, line in (("dev", "Ajax B-ORG"), ("test", "Turks B-MISC")):
        path = corpus_copy / f"nld.ner.{split}"
        path.write_text(f"{line}\nspeelt O\n\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    folder = train_run(corpus_copy, tiny_corpus.lean("nld ner", max_step=2), "run")
    err = capsys.readouterr().err
    assert "'ORG' is not in the training data" in err
    assert "nld.ner.test:1" in err
    scores = read_json(folder, "summary.json")["scores"]["nld ner"]
    assert scores["dev"]["types"]["ORG"]["gold"] == scores["test"]["types"]["MISC"]["gold"] == 1
    assert scores["dev"]["types"]["ORG"]["predicted"] == 0
    assert scores["dev"]["recall"] < 1
    assert np.isfinite(scores["dev"]["loss"])
