"""Runs, and replicas of runs, whose numbers are not finite."""

import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import tiny_corpus
from config_edits import edited
from task_grid import only_tasks
from tiny_runs import poison, read_json, read_metrics, sampled_config, script_scores, train_run

from mlmt_jax.config import load_config
from mlmt_jax.errors import RunError
from mlmt_jax.model.build import init_params
from mlmt_jax.runs.checkpoints import load_best_params
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.replica_choice import choose_replica, usable_replicas
from mlmt_jax.tagger import Tagger
from mlmt_jax.train import main
from mlmt_jax.training import loop
from mlmt_jax.training.divergence import DivergedError
from mlmt_jax.training.replica_set import ReplicaSet
from mlmt_jax.training.setup import prepare


@pytest.mark.parametrize("eval_freq", [1, 1000])
def test_run_that_diverges_at_its_last_step_keeps_nothing(corpus_copy: Path, eval_freq: int) -> None:
    data = tiny_corpus.lean("afr ner", max_step=1, eval_freq=eval_freq)
    data = edited(data, {"tasks.0.learning_rate": 1e38})
    problem = "(parameters|losses of development data) are not finite"
    with pytest.raises(DivergedError, match=f"step 1, task 'afr ner': {problem} after it"):
        train_run(corpus_copy, data, "run")
    folder = corpus_copy.parent / "run"
    with pytest.raises(DivergedError, match=problem):
        main([str(folder / "config.json"), "--output", str(folder), "--resume"])
    assert not list((folder / "checkpoints" / "best").glob("[0-9]*"))
    assert not (folder / "metrics.jsonl").exists()
    assert not (folder / "summary.json").exists()


def test_diverged_run_names_step_and_sentences(corpus_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script_scores(monkeypatch, [0.5, *([0.1] * 20)])
    data = only_tasks(tiny_corpus.without_characters(tiny_corpus.config()), "nld ner", "afr ner")
    # The states of an LSTM are bounded: only a huge rate leaves the range of float32. The first step of the
    # auxiliary task does, and the loss of the step after it is not finite.
    data = edited(data, {"training.eval_freq": 1, "tasks.1.learning_rate": 1e38})
    with pytest.raises(DivergedError) as error:
        train_run(corpus_copy, data, "run")
    first_line, second_line = str(error.value).splitlines()
    folder = corpus_copy.parent / "run"
    records = read_metrics(folder)
    name = first_line.split("'")[1]
    assert re.match(rf"step {len(records) + 1}, task {name!r}: loss is (nan|inf)", first_line)
    assert "learning_rate" in first_line
    # The message has the norms of the steps before, as the metrics do.
    norms = {
        task: (record["step"], norm) for record in records for task, norm in record["gradient_norms"].items()
    }
    listed = ", ".join(f"{task!r} {norm:.4g} (step {step})" for task, (step, norm) in norms.items())
    assert f"last finite norms: {listed};" in first_line
    auxiliary_steps = [record["task_steps"]["afr ner"] for record in records]
    assert auxiliary_steps[-1] > 0
    file, lines = second_line.removeprefix("its sentences begin in ").split(" at lines ")
    assert Path(file) == corpus_copy / f"{name.replace(' ', '.')}.train"
    text = ["", *Path(file).read_text(encoding="utf-8").splitlines()]
    numbers = [int(number) for number in lines.split(", ")]
    assert len(numbers) == 4
    assert all(text[i] and (not text[i - 1] or text[i - 1].startswith("#")) for i in numbers)
    # The best parameters before the divergence can be used.
    assert not (folder / "summary.json").exists()
    assert records[-1]["best_step"] == 1 <= auxiliary_steps.count(0)
    setup = prepare(load_config(corpus_copy / "run.json"))
    shapes = jax.eval_shape(lambda: init_params(setup.model, jax.random.key(0)))
    params = load_best_params(folder / "checkpoints", RunFolder(folder).id, shapes)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))
    assert len(Tagger.load(folder).tag([["Piet", "woont"]])[0]) == 2


def test_replica_diverges_alone(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ReplicaSet.start

    def poisoned_start(replicas: ReplicaSet, states: Any) -> Any:
        return poison(start(replicas, states), 1)

    healthy = train_run(corpus, sampled_config(), "healthy", "--replicas", "2")
    monkeypatch.setattr(ReplicaSet, "start", poisoned_start)
    folder = train_run(corpus, sampled_config(), "poisoned", "--replicas", "2")
    out = capsys.readouterr().out
    assert "replica 1 has diverged, the others go on\nstep 1, task 'afr ner': loss is nan" in out
    assert out.count("data of replica 0; the others have samples of their own\n") == 2
    assert "scores: summary.json\n1 of them diverged and are left out: 1\n" in out
    summary = read_json(folder, "summary.json")
    score, expected = (
        read_json(run, "summary.json")["replicas"][0]["scores"]["afr ner"]["test"]
        for run in (folder, healthy)
    )
    assert score == {**expected, "loss": pytest.approx(expected["loss"], rel=1e-5)}
    assert "loss is nan" in summary["replicas"][1]["diverged"]
    assert summary["best_replica"] == 0
    assert summary["statistics"]["afr ner"]["test"]["runs"] == 1
    # The replica stays diverged if the run is resumed.
    monkeypatch.setattr(ReplicaSet, "start", start)
    options = ["--replicas", "2", "--resume", "--set", "training.max_step=12"]
    train_run(corpus, sampled_config(), "poisoned", *options)
    assert "loss is nan" in read_json(folder, "summary.json")["replicas"][1]["diverged"]
    assert [record["step"] for record in read_metrics(folder / "replicas" / "0")] == [4, 8, 12]


def test_run_ends_if_all_replicas_diverge(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start, step, steps = ReplicaSet.start, ReplicaSet.step, []

    def poisoned_start(replicas: ReplicaSet, states: Any) -> Any:
        return poison(poison(start(replicas, states), 0), 1)

    def counted_step(replicas: ReplicaSet, states: Any, task: str, batches: Any) -> Any:
        steps.append(task)
        return step(replicas, states, task, batches)

    monkeypatch.setattr(ReplicaSet, "start", poisoned_start)
    monkeypatch.setattr(ReplicaSet, "step", counted_step)
    data = sampled_config(eval_freq=1000, max_step=1000)
    with pytest.raises(DivergedError):
        train_run(corpus, data, "all poisoned", "--replicas", "2")
    assert len(steps) < 20
    out = capsys.readouterr().out
    assert "replica 0 has diverged, the others go on\n" in out
    assert "replica 1 has diverged\n" in out
    with pytest.raises(RunError, match="replica 1 diverged before it was evaluated"):
        choose_replica(RunFolder(corpus.parent / "all poisoned"), 1)
    with pytest.raises(RunError, match="all replicas diverged before they were evaluated"):
        choose_replica(RunFolder(corpus.parent / "all poisoned"), None)


def test_replica_that_diverges_late_is_not_the_best(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script_scores(monkeypatch, [0.5, 0.9, 0.6])  # Replica 1 has the best score, and diverges after it.
    step, steps, finite = ReplicaSet.step, [], []

    def poisoned_step(replicas: ReplicaSet, states: Any, task: str, batches: Any) -> Any:
        if len(steps) == 5:
            states = poison(states, 1)
        steps.append(task)
        states, metrics = step(replicas, states, task, batches)
        if len(steps) == 8:
            finite.extend(np.isfinite(x).all() for x in jax.tree.leaves(states))
        return states, metrics

    monkeypatch.setattr(loop, "_LAG", 0)
    monkeypatch.setattr(ReplicaSet, "step", poisoned_step)
    folder = RunFolder(train_run(corpus, sampled_config(), "late", "--replicas", "2"))
    assert read_json(folder.path, "summary.json")["best_replica"] == 0
    assert choose_replica(folder, None).path.name == "0"
    assert [replica.path.name for replica in usable_replicas(folder)] == ["0"]
    assert choose_replica(folder, 1).path.name == "1"
    # The numbers of the diverged replica were replaced by those of the healthy one.
    assert finite
    assert all(finite)


def test_replica_without_finite_parameters_is_not_saved(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step, steps = ReplicaSet.step, []

    def poisoned_last_step(replicas: ReplicaSet, states: Any, task: str, batches: Any) -> Any:
        # Loss and gradient of a step are those before its update: they stay finite.
        states, metrics = step(replicas, states, task, batches)
        steps.append(task)
        return poison(states, 1, np.inf) if len(steps) == 8 else states, metrics

    monkeypatch.setattr(ReplicaSet, "step", poisoned_last_step)
    folder = train_run(corpus, sampled_config(), "infinite", "--replicas", "2")
    message = "replica 1 has diverged, the others go on\nstep 8, task 'afr ner': parameters are not finite"
    assert message in capsys.readouterr().out
    assert [record["step"] for record in read_metrics(folder / "replicas" / "1")] == [4]
    assert (folder / "replicas" / "1" / "checkpoints" / "best" / "4").is_dir()
    assert read_json(folder, "summary.json")["best_replica"] == 0
