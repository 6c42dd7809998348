"""Whole runs: stopping, selecting, resuming, diverging."""

import json
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import tiny_corpus
from config_edits import GONE, edited
from replica_runs import metrics, newest_state, scripted

from mlmt_jax.config import load_config, parse_config
from mlmt_jax.errors import ConfigError, InputError, RunError
from mlmt_jax.model import init_params
from mlmt_jax.runs.checkpoints import load_best_params
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.progress import Progress
from mlmt_jax.tagger import Tagger
from mlmt_jax.train import main
from mlmt_jax.training import plan
from mlmt_jax.training.divergence import DivergedError
from mlmt_jax.training.run_scores import headline
from mlmt_jax.training.setup import Setup, prepare
from mlmt_jax.training.state import RunState

SCORED = ("scores", "losses", "gradient_norms", "learning_rates", "task_steps", "best_step", "step")


@pytest.fixture
def corpus(tiny_config: Path, tmp_path: Path) -> Path:
    """A copy of the tiny corpus to change."""
    return Path(shutil.copytree(tiny_config.parent, tmp_path / "corpus"))


def trained(corpus: Path, data: dict[str, Any], name: str = "run") -> tuple[Path, dict[str, Any]]:
    """Trains a config; gives the run folder and its summary."""
    folder = corpus.parent / name
    main([str(tiny_corpus.write_config(corpus, data)), "--output", str(folder)])
    return folder, json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def shapes_of(setup: Setup) -> Any:
    return jax.eval_shape(lambda: init_params(setup.model, jax.random.key(0)))


def best_params(folder: Path, like: Any) -> Any:
    return load_best_params(folder / "checkpoints", RunFolder(folder).id, like)


def last_state(setup: Setup, folder: Path) -> tuple[RunState, Progress]:
    return newest_state(setup, RunFolder(folder))


def assert_same(first: Any, second: Any) -> None:
    """Equal to the last bit."""
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def interrupt_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Presses the keys as the step (from 0) begins; it is the last one before the run stops."""
    draw = plan.draw_task

    def draw_or_stop(weights: Any, now: int) -> str:
        if now == step:
            signal.raise_signal(signal.SIGINT)
        return draw(weights, now)

    monkeypatch.setattr(plan, "draw_task", draw_or_stop)


def test_a_run_that_was_interrupted_is_the_run_that_was_not(
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
    # A process that is killed may leave a line whose checkpoint was not written yet.
    (folder / "metrics.jsonl").write_text('{"step": 8, "stale": true}\n{"st', encoding="utf-8")
    main([*resume, "--set", "training.max_step=10"])  # not a multiple of eval_freq
    assert [record["step"] for record in metrics(folder)] == [8, 10]
    assert (folder / "summary.json").exists()
    with monkeypatch.context() as patch:
        interrupt_at(patch, 19)
        with pytest.raises(SystemExit):
            main(resume)
    assert [record["step"] for record in metrics(folder)] == [8, 16]
    main(resume)
    ours, theirs = metrics(folder), metrics(tiny_run.folder)
    assert [[record[key] for key in SCORED] for record in ours] == [
        [record[key] for key in SCORED] for record in theirs
    ]
    setup = prepare(load_config(tiny_run.config))
    assert len({name for record in ours for name in record["losses"]}) == 4
    state, progress = last_state(setup, folder)
    expected, expected_progress = last_state(setup, tiny_run.folder)
    assert_same(state, expected)
    assert progress._replace(seconds=0) == expected_progress._replace(seconds=0)
    like = shapes_of(setup)
    best = best_params(folder, like)
    assert_same(best, best_params(tiny_run.folder, like))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["training"]["max_step"] == tiny_corpus.TRAINED_STEPS
    # The end of a finished run can be had again.
    (folder / "summary.json").unlink()
    main(resume)
    finished = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    capsys.readouterr()
    main(resume)
    assert "the run is finished: it has had 24 steps; raise training.max_step" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == finished
    summaries = [json.loads((run / "summary.json").read_text("utf-8")) for run in (folder, tiny_run.folder)]
    assert summaries[0]["scores"] == summaries[1]["scores"]


def test_few_programs_are_compiled(tiny_run: Any) -> None:
    setup = prepare(load_config(tiny_run.config))
    limit = sum(len(batches.shapes) for batches in setup.batches.values())
    steps = [program for program in tiny_run.programs if "train_step" in program]
    assert 4 <= len(steps) <= limit <= 8
    # Epochs of the target, whose programs are all there after the first one.
    assert (
        metrics(tiny_run.folder)[-1]["task_steps"]["nld ner"] > 2 * setup.batches["nld ner"].batches_per_epoch
    )
    decoders = [program for program in tiny_run.programs if "decode" in program]
    assert len(decoders) == 4  # dev and test files of a task have one shape


def test_what_is_kept_of_each_evaluation(tiny_run: Any) -> None:
    records = metrics(tiny_run.folder)
    _, progress = last_state(prepare(load_config(tiny_run.config)), tiny_run.folder)
    assert progress.window.keys() == {"finite"}  # what is told of a run that diverges
    assert progress.window["finite"].keys() == set(tiny_corpus.TASKS)
    assert [record["step"] for record in records] == [8, 16, 24]
    for record in records:
        assert sum(record["task_steps"].values()) == record["step"]
        assert set(record["scores"]) == set(tiny_corpus.TASKS)
        assert all(set(splits) == {"dev"} for splits in record["scores"].values())
        assert record["sentences_per_second"] > 0
        assert set(record["losses"]) == set(record["gradient_norms"]) <= set(tiny_corpus.TASKS)
        for name, steps in record["task_steps"].items():
            assert record["learning_rates"][name] == pytest.approx(0.2 * 0.9 ** (steps / 100))
    assert records[-1]["losses"]["nld ner"] < records[0]["losses"]["nld ner"]


def test_patience_and_the_best_checkpoint(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [0.1, 0.5, 0.5, 0.4])
    data = tiny_corpus.lean("nld ner", patience=2, eval_freq=2, max_step=100)
    folder, summary = trained(corpus, data)
    # An equal score is not a better one, and the earlier checkpoint stays.
    assert (summary["best_step"], summary["steps"]) == (4, 8)
    assert [record["best_step"] for record in metrics(folder)] == [2, 4, 4, 4]
    setup = prepare(load_config(corpus / "tiny.json"))
    scripted(monkeypatch, [0.1, 0.2])
    short, _ = trained(corpus, edited(data, {"training.max_step": 4}), "short")
    best = best_params(folder, shapes_of(setup))
    assert_same(best, best_params(short, shapes_of(setup)))
    # The summary is the best one's, not the last one's.
    scores = [record["scores"]["nld ner"]["dev"] for record in metrics(folder)]
    assert summary["scores"]["nld ner"]["dev"] == scores[1] != scores[-1]


def test_of_scores_of_nothing_the_last_checkpoint_is_kept(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, [0.0, 0.0, 0.0])
    _, summary = trained(corpus, tiny_corpus.lean("nld ner", patience=2, eval_freq=2, max_step=100))
    assert (summary["best_step"], summary["steps"]) == (6, 6)  # which is no progress to wait for


def test_epochs_of_the_target(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = edited(tiny_corpus.lean("nld ner", max_epoch=2, eval_freq=100), {"training.max_step": GONE})
    folder, summary = trained(corpus, data)
    assert summary["steps"] == 2 * tiny_corpus.SENTENCES / 4
    assert [record["step"] for record in metrics(folder)] == [6]
    assert summary["best_step"] == 6
    assert "best step 6 of 6 (near the end: " in capsys.readouterr().out
    # The state is of before that evaluation, which has no step of its own in a longer run.
    finished = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    main([str(corpus / "tiny.json"), "--output", str(folder), "--resume"])
    assert "the run is finished: it has had 6 steps" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == finished


def test_max_step_before_max_epoch(corpus: Path) -> None:
    _, summary = trained(corpus, tiny_corpus.lean("nld ner", max_epoch=2, eval_freq=100, max_step=5))
    assert summary["steps"] == 5


def two_languages(**training: Any) -> dict[str, Any]:
    """The target and its task in the other language."""
    data = tiny_corpus.without_characters(tiny_corpus.config())
    tasks = [task for task in data["tasks"] if task["task"] == "ner"]
    used = {name for task in tasks for name in task["model"].values() if isinstance(name, str)}
    return {
        **data,
        "training": {**data["training"], **training},
        "datasets": [dataset for dataset in data["datasets"] if dataset["task"] == "ner"],
        "tasks": tasks,
        "components": [part for part in data["components"] if part["name"] in used],
    }


def test_an_auxiliary_task_without_sentences(corpus: Path) -> None:
    edits = {"datasets.1.sample": 0, "tasks.1.require_eval": False}
    folder, summary = trained(corpus, edited(two_languages(max_step=2), edits))
    assert summary["task_steps"] == {"nld ner": 2, "afr ner": 0}
    assert set(metrics(folder)[0]["scores"]) == {"nld ner"}
    assert set(summary["scores"]["afr ner"]) == {"dev", "test"}
    assert json.loads((folder / "samples.json").read_text())["afr_ner"]["sentences"] == []


def test_a_target_of_single_words_is_chosen_by_accuracy(corpus: Path) -> None:
    name = "nld pos"
    data = edited(tiny_corpus.lean(name, max_step=8, eval_freq=2), {"datasets.0.files.test": GONE})
    folder, summary = trained(corpus, data)
    accuracies = [record["scores"][name]["dev"]["accuracy"] for record in metrics(folder)]
    assert summary["best_step"] == 2 * (1 + int(np.argmax(accuracies)))
    assert max(accuracies) > accuracies[0]
    assert set(summary["scores"][name]) == {"dev"}
    assert summary["scores"][name]["dev"]["f1"] is None
    assert summary["scores"][name]["dev"]["accuracy"] == max(accuracies)


@pytest.mark.parametrize(("metric", "expected"), [("auto", 0.25), ("span_f1", 0.25), ("accuracy", 0.75)])
def test_the_figure_that_a_task_is_judged_by(metric: str, expected: float) -> None:
    config = parse_config(edited(tiny_corpus.config(), {"tasks.0.metric": metric}))
    score = {"f1": 0.25, "lenient_f1": 0.9, "accuracy": 0.75}
    assert headline(config, "nld ner", score) == expected


def test_tags_that_training_never_saw(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split, word in (("dev", "Ajax B-ORG"), ("test", "Turks B-MISC")):
        path = corpus / f"nld.ner.{split}"
        path.write_text(f"{word}\nspeelt O\n\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    _, summary = trained(corpus, tiny_corpus.lean("nld ner", max_step=2))
    err = capsys.readouterr().err
    assert "'ORG' is not in the training data" in err
    assert "nld.ner.test:1" in err
    scores = summary["scores"]["nld ner"]
    assert scores["dev"]["types"]["ORG"]["gold"] == scores["test"]["types"]["MISC"]["gold"] == 1
    assert scores["dev"]["types"]["ORG"]["predicted"] == 0
    assert scores["dev"]["recall"] < 1
    assert np.isfinite(scores["dev"]["loss"])


@pytest.mark.parametrize("eval_freq", [1, 1000])
def test_the_last_step_may_not_leave_numbers_that_are_not_finite(corpus: Path, eval_freq: int) -> None:
    data = tiny_corpus.lean("afr ner", max_step=1, eval_freq=eval_freq)
    data = edited(data, {"tasks.0.learning_rate": 1e38})
    wrong = "(parameters|losses of development data) are not finite"
    with pytest.raises(DivergedError, match=f"step 1, task 'afr ner': {wrong} after it"):
        trained(corpus, data)
    folder = corpus.parent / "run"
    with pytest.raises(DivergedError, match=wrong):
        main([str(folder / "config.json"), "--output", str(folder), "--resume"])
    assert not list((folder / "checkpoints" / "best").glob("[0-9]*"))
    assert not (folder / "metrics.jsonl").exists()
    assert not (folder / "summary.json").exists()


def test_a_run_that_diverges_says_where(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [0.5, *([0.1] * 20)])
    # The LSTM's states are bounded: it takes a lot to leave the range of float32. The auxiliary task's
    # first step does, so that the step after it has no loss.
    data = edited(two_languages(eval_freq=1), {"tasks.1.learning_rate": 1e38})
    with pytest.raises(DivergedError) as stopped:
        trained(corpus, data)
    first, second = str(stopped.value).splitlines()
    folder = corpus.parent / "run"
    records = metrics(folder)
    step = len(records) + 1
    name = first.split("'")[1]
    assert re.match(rf"step {step}, task {name!r}: loss is (nan|inf)", first)
    assert "learning_rate" in first
    # What it says of the steps before is what was written of them.
    norms = {task: (r["step"], norm) for r in records for task, norm in r["gradient_norms"].items()}
    said = ", ".join(f"{task!r} {norm:.4g} (step {step})" for task, (step, norm) in norms.items())
    assert f"last finite norms: {said};" in first
    drawn = [record["task_steps"]["afr ner"] for record in records]
    assert drawn[-1] > 0
    file, lines = second.removeprefix("its sentences begin in ").split(" at lines ")
    assert Path(file) == corpus / f"{name.replace(' ', '.')}.train"
    text = ["", *Path(file).read_text(encoding="utf-8").splitlines()]
    numbers = [int(number) for number in lines.split(", ")]
    assert len(numbers) == 4
    assert all(text[i] and (not text[i - 1] or text[i - 1].startswith("#")) for i in numbers)
    # What was best before can be used.
    assert not (folder / "summary.json").exists()
    assert records[-1]["best_step"] == 1 <= drawn.count(0)
    setup = prepare(load_config(corpus / "tiny.json"))
    best = best_params(folder, shapes_of(setup))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(best))
    assert len(Tagger.load(folder).tag([["Piet", "woont"]])[0]) == 2


def test_nothing_to_train_on(corpus: Path) -> None:
    path = tiny_corpus.write_config(corpus, edited(tiny_corpus.lean("nld ner"), {"datasets.0.max_len": 1}))
    text = "Piet B-PER\nwoont O\n"
    (corpus / "nld.ner.train").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="no training sentence"):
        main([str(path), "--output", str(corpus.parent / "run")])
    assert not (corpus.parent / "run").exists()


def test_spans_cannot_be_asked_of_single_words(corpus: Path) -> None:
    data = edited(tiny_corpus.lean("nld pos"), {"tasks.0.metric": "span_f1"})
    with pytest.raises(ConfigError, match=r"metric.*'span_f1'.* not spans; expected 'accuracy' or 'auto'"):
        trained(corpus, data)
    assert not (corpus.parent / "run").exists()


def test_a_folder_is_resumed_with_its_own_config(tiny_run: Any) -> None:
    folder = RunFolder(tiny_run.folder)
    before = folder.read("config.json")
    start = [str(tiny_run.config), "--output", str(tiny_run.folder), "--resume"]
    with pytest.raises(RunError, match="another config"):
        main([*start, "--set", "tasks.0.learning_rate=0.1"])
    assert folder.read("config.json") == before
