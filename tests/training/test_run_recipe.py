"""Runs with the recipe lowres-1, from training to tagging."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import tiny_corpus
from config_edits import edited
from stored_checkpoints import assert_same_arrays
from tiny_runs import newest_state, read_json, read_metrics, train_run

from mlmt_jax import Ensemble, Tagger
from mlmt_jax.config import load_config
from mlmt_jax.errors import DataError
from mlmt_jax.exported import ExportedTagger
from mlmt_jax.model.build import init_params
from mlmt_jax.runs.checkpoints import load_best_params
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.train import main
from mlmt_jax.training import plan
from mlmt_jax.training.setup import prepare

SENTENCES = [["Piet", "woont", "in", "Gent"], [], ["", "x"], ["Pieter", "nuut", "y" * 80]]


def recipe_config() -> dict[str, Any]:
    """Return the tiny config with the recipe, a window of two updates, and vectors of both languages."""
    data = tiny_corpus.config() | {"recipe": "lowres-1"}
    edits = {"components.1.file": "afr.vec", "training.average_steps": 20, "training.eval_freq": 8}
    return edited(data, edits | {"training.max_step": 44})


def write_vectors(corpus: Path) -> None:
    """Write vectors of both languages with 150 common words; those of Afrikaans are turned."""
    random = np.random.default_rng(7)
    turn = np.linalg.qr(random.normal(size=(4, 4)))[0]
    common = {f"gemeen{i}": random.normal(size=4) for i in range(150)}
    for language, matrix in (("nld", np.eye(4)), ("afr", turn)):
        people, places, verbs = tiny_corpus.NAMES[language]
        language_words = {word: random.normal(size=4) for word in (*people, *places, *verbs)}
        rows = [
            f"{word} {' '.join(f'{x:.6f}' for x in vector @ matrix)}"
            for word, vector in {**common, **language_words}.items()
        ]
        (corpus / f"{language}.vec").write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the recipe; return the run folder, beside the folder `corpus`."""
    corpus = tmp_path_factory.mktemp("recipe") / "corpus"
    tiny_corpus.write_corpus(corpus)
    write_vectors(corpus)
    return train_run(corpus, recipe_config(), "run")


def best_params(config: Path, run: Path) -> Any:
    setup = prepare(load_config(config))
    shapes = jax.eval_shape(lambda: init_params(setup.model, jax.random.key(0)))
    return load_best_params(run / "checkpoints", RunFolder(run).id, shapes)


def test_an_interrupted_run_has_the_same_average(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, folder = run.parent / "corpus" / "run.json", run.parent / "resumed"
    draw_task = plan.draw_task

    def draw_or_interrupt(weights: Any, number: int) -> str:
        if number == 33:  # between two updates
            signal.raise_signal(signal.SIGINT)
        return draw_task(weights, number)

    with monkeypatch.context() as patch:
        patch.setattr(plan, "draw_task", draw_or_interrupt)
        with pytest.raises(SystemExit):
            main([str(config), "--output", str(folder)])
    main([str(config), "--output", str(folder), "--resume"])
    setup = prepare(load_config(config))
    state, _ = newest_state(setup, RunFolder(folder))
    assert state.average is not None
    assert_same_arrays(state, newest_state(setup, RunFolder(run))[0])
    assert_same_arrays(best_params(config, folder), best_params(config, run))
    scores = [[record["scores"] for record in read_metrics(of)] for of in (folder, run)]
    assert scores[0] == scores[1]


def test_training_is_the_same_with_and_without_the_average(run: Path) -> None:
    """Scores differ, losses do not."""
    data = edited(recipe_config(), {"training.average_steps": 0})
    plain = train_run(run.parent / "corpus", data, "plain")
    records, plain_records = read_metrics(run), read_metrics(plain)
    for key in ("losses", "gradient_norms", "task_steps"):
        assert [record[key] for record in records] == [record[key] for record in plain_records]
    assert records[0]["scores"] == plain_records[0]["scores"]  # before the first update
    assert records[1]["scores"] != plain_records[1]["scores"]


def test_vectors_of_the_other_language_are_rotated_and_so_are_later_ones(run: Path) -> None:
    corpus = run.parent / "corpus"
    stored = json.loads((run / "vocab.json").read_text(encoding="utf-8"))
    assert stored["word_ends"] is True
    assert list(stored["rotations"]) == ["afr_words"]
    rotation = np.array(stored["rotations"]["afr_words"])
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(4), atol=1e-6)
    path = corpus / "more.vec"
    text = (corpus / "afr.vec").read_text(encoding="utf-8")
    path.write_text(f"{text}nuut 1 2 3 4\n", encoding="utf-8")
    tagger = Tagger.load(run, "afr ner", vectors=path)
    context = tagger.model.context
    row = context.vocabulary.words["afr_words"].row("nuut")
    vector = np.asarray(tagger.model.params["afr_words"]["table"][row])
    np.testing.assert_allclose(vector, np.array([1, 2, 3, 4]) @ rotation, rtol=1e-5)
    # Vectors that were rotated already are of another training.
    lines = [line.split() for line in text.splitlines()]
    turned = [f"{w} {' '.join(map(str, np.array(x, float) @ rotation))}" for w, *x in lines]
    path.write_text("\n".join(turned) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="another training"):
        Tagger.load(run, "afr ner", vectors=path)


def test_exported_and_loaded_taggers_read_the_ends_of_words(run: Path, tmp_path: Path) -> None:
    tagger = Tagger.load(run)
    tagger.export(tmp_path / "exported")
    tags = tagger.tag(SENTENCES)
    assert ExportedTagger.load(tmp_path / "exported").tag(SENTENCES) == tags
    alone = [tagger.tag([sentence])[0] for sentence in SENTENCES]
    assert alone == tags
    assert read_json(run, "summary.json")["scores"]["nld ner"]["dev"]["f1"] is not None


def test_the_average_of_each_replica_is_that_of_the_run_alone(run: Path) -> None:
    data = recipe_config() | {}
    data["training"] = {**data["training"], "replicas": 2, "max_step": 16}
    both = train_run(run.parent / "corpus", data, "both")
    data["training"] = {**data["training"], "replicas": 1, "seed": 4}
    alone = train_run(run.parent / "corpus", data, "alone")
    config = run.parent / "corpus" / "alone.json"
    params, replica = best_params(config, alone), best_params(config, both / "replicas" / "1")
    difference = jax.tree.map(
        lambda a, b: float(np.abs(np.asarray(a) - np.asarray(b)).max()), params, replica
    )
    assert max(jax.tree.leaves(difference)) < 1e-4
    assert len(Ensemble.load(both).tag(SENTENCES)) == len(SENTENCES)


@pytest.mark.parametrize("case", ["zero-shot", "no vectors", "one language"])
def test_it_works_without_labels_vectors_or_a_second_language(run: Path, case: str) -> None:
    data = recipe_config()
    data["training"] |= {"max_step": 12, "eval_freq": 12}
    if case == "zero-shot":
        data["datasets"][0]["sample"] = 0
    if case == "no vectors":
        for component in data["components"]:
            component.pop("file", None)
    if case == "one language":
        data = tiny_corpus.only_tasks(data, "nld ner")
    folder = train_run(run.parent / "corpus", data, case.replace(" ", "_"))
    assert len(Tagger.load(folder).tag(SENTENCES)) == len(SENTENCES)
    stored = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    assert ("rotations" in stored) == (case == "zero-shot")


def test_a_damaged_rotation_is_refused(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    folder = RunFolder(copy)
    stored = folder.read("vocab.json")
    for broken in ([[1.0]], "x", [[1.0, 0.0, 0.0, "0"]] * 4, [[float("nan")] * 4] * 4):
        folder.write("vocab.json", {**stored, "rotations": {"afr_words": broken}})
        with pytest.raises(Exception, match=r"rotations\['afr_words'\]: expected 4 rows"):
            Tagger.load(copy)
    folder.write("vocab.json", {**stored, "word_ends": 1})
    with pytest.raises(Exception, match="word_ends: expected true or false"):
        Tagger.load(copy)
