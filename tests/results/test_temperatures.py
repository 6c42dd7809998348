"""Temperatures: fitted on development data, sealed, used for probabilities, and without effect on tags."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_corpus
from tiny_runs import read_json, train_run

from mlmt_jax.errors import RunError
from mlmt_jax.exported import ExportedTagger
from mlmt_jax.model.readers import losses_by_temperature, tags_and_losses
from mlmt_jax.results.temperatures import temperature_line
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.tagger import Ensemble, Tagger

SENTENCES = [["Piet", "Smit", "woont", "in", "Gent", "."], ["Anna"], ["nooit", "gezien"], []]


@pytest.fixture(scope="module")
def replicas(tiny_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    corpus = Path(shutil.copytree(tiny_config.parent, tmp_path_factory.mktemp("replicas") / "corpus"))
    return train_run(corpus, tiny_corpus.lean("afr ner", max_step=8, eval_freq=4, replicas=2), "run")


def assert_tempered(tempered: Any, plain: Any) -> None:
    """Check that tags agree and that differences of log probabilities are divided by the temperature."""
    assert tempered.temperature != 1.0
    assert plain.temperature == 1.0
    assert tempered.tag(SENTENCES) == plain.tag(SENTENCES)
    for sentence, expected in zip(tempered.n_best(SENTENCES, 4), plain.n_best(SENTENCES, 4), strict=True):
        assert [ranked.tags for ranked in sentence] == [ranked.tags for ranked in expected]
        logs, plain_logs = ([ranked.log_probability for ranked in s] for s in (sentence, expected))
        np.testing.assert_allclose(np.diff(logs) * tempered.temperature, np.diff(plain_logs), atol=1e-4)
    for tagged, ranked in zip(
        tempered.tag_with_probabilities(SENTENCES), tempered.n_best(SENTENCES, 60), strict=True
    ):
        assert tagged.log_probability == pytest.approx(ranked[0].log_probability, abs=1e-5)
        if len(tagged.tags) == 1:  # all sequences are among the best
            assert sum(np.exp([r.log_probability for r in ranked])) == pytest.approx(1.0, abs=1e-5)
            same = [np.exp(r.log_probability) for r in ranked if r.tags == tagged.tags]
            assert tagged.probabilities == pytest.approx([sum(same)], abs=1e-5)


def test_a_run_tags_with_its_temperature(tiny_run: Any, tmp_path: Path) -> None:
    tasks = read_json(tiny_run.folder, "temperatures.json")["tasks"]
    assert list(tasks) == list(tiny_corpus.TASKS)
    for task in ("nld ner", "afr pos"):
        tagger = Tagger.load(tiny_run.folder, task)
        assert tagger.temperature == tasks[task]["temperature"]
        assert tasks[task]["loss_after"] < tasks[task]["loss_before"]
        assert_tempered(tagger, tagger.with_temperatures({}))
    tagger.export(tmp_path / "exported")
    assert ExportedTagger.load(tmp_path / "exported").temperature == tagger.temperature
    line = temperature_line(RunFolder(tiny_run.folder), "nld ner")
    assert line in tiny_run.output.splitlines()


def test_losses_at_temperature_1_are_those_of_training(tiny_run: Any, replicas: Path) -> None:
    for tagger in (Tagger.load(tiny_run.folder), Ensemble.load(replicas)):
        gold = [["S-PER"], ["O", "S-LOC"], ["unknown"]]
        tokens = [["Anna"], ["in", "Gent"], ["x"]]
        losses = [loss for _, loss in tagger.model.read(tags_and_losses, tokens, gold)]
        by_temperature = [row[8] for (row,) in tagger.model.read(losses_by_temperature, tokens, gold)]
        np.testing.assert_allclose(by_temperature, losses, atol=1e-5)
        assert np.isnan(losses[2])


def test_an_ensemble_has_a_temperature_of_its_own(replicas: Path) -> None:
    ensemble = Ensemble.load(replicas)
    assert ensemble.temperature == read_json(replicas, "temperatures.json")["tasks"]["afr ner"]["temperature"]
    assert ensemble.temperature != ensemble.members[0].temperature != 1.0
    assert_tempered(ensemble, ensemble.with_temperatures({}))
    # The members are averaged without theirs.
    plain = Ensemble([member.with_temperatures({}) for member in ensemble.members])
    assert plain.tag_with_probabilities(SENTENCES) == ensemble.with_temperatures({}).tag_with_probabilities(
        SENTENCES
    )


@pytest.fixture
def copied(tiny_run: Any, tmp_path: Path) -> RunFolder:
    return RunFolder(shutil.copytree(tiny_run.folder, tmp_path / "copied"))


def test_a_run_from_before_loads_without(copied: RunFolder) -> None:
    (copied.path / "temperatures.json").unlink()
    assert Tagger.load(copied.path).temperature == 1.0


def test_temperatures_of_other_parameters_do_not_count(copied: RunFolder) -> None:
    data = read_json(copied.path, "temperatures.json")
    copied.write("temperatures.json", data | {"best_steps": [data["best_steps"][0] + 1]})
    assert Tagger.load(copied.path).temperature == 1.0


def test_changed_temperatures_are_refused(copied: RunFolder) -> None:
    data = read_json(copied.path, "temperatures.json")
    data["tasks"]["nld ner"]["temperature"] = 3.0
    (copied.path / "temperatures.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(RunError, match=r"its checksum is not the one in run\.json"):
        Tagger.load(copied.path)
    for value in (0.0, -1.0, float("inf"), "x", None):
        data["tasks"]["nld ner"]["temperature"] = value
        copied.write("temperatures.json", data)
        with pytest.raises(RunError, match="not what a run writes there"):
            Tagger.load(copied.path)
