"""A tagger is loaded from a run folder, and tags and scores as the trained model did."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_corpus

from mlmt_jax import Tagger
from mlmt_jax.corpus.dataset import bioes_sentences
from mlmt_jax.errors import RunError
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.text.columns import read_conll

SENTENCES = [
    ["Piet", "Smit", "woont", "in", "Gent", "."],
    ["Anna"],
    [],
    ["nooit", "gezien", "\u1e7d\u4e16", "x" * 200, "12-3-2021", ""],
    ["Breda", "en", "Delft", "."] * 7,
]


@pytest.fixture(scope="module")
def tagger(tiny_run: Any) -> Tagger:
    return Tagger.load(tiny_run.folder)


@pytest.fixture
def run(tiny_run: Any, tmp_path: Path) -> Path:
    """Copy the run folder, for tests that damage it."""
    return Path(shutil.copytree(tiny_run.folder, tmp_path / "copy"))


def test_every_token_gets_a_tag(tagger: Tagger) -> None:
    tags = tagger.tag(SENTENCES)
    assert list(map(len, tags)) == list(map(len, SENTENCES))
    iob2 = {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"}
    assert {tag for sentence in tags for tag in sentence} <= iob2
    assert tags[0][0] == "B-PER"
    assert tagger.tag(iter(SENTENCES)) == tags
    assert tagger.tag([tuple(tokens) for tokens in SENTENCES]) == tags
    assert tagger.tag([]) == []


def test_tags_do_not_depend_on_the_batch(tagger: Tagger) -> None:
    tags = tagger.tag(SENTENCES)
    assert [tagger.tag([tokens])[0] for tokens in SENTENCES] == tags
    assert tagger.tag(SENTENCES[::-1]) == tags[::-1]
    assert tagger.tag(SENTENCES * 4) == tags * 4


def test_a_string_is_refused_as_a_sentence(tagger: Tagger) -> None:
    with pytest.raises(TypeError, match="got the sentence 'Piet woont'; expected a list of its tokens"):
        tagger.tag(["Piet woont"])
    with pytest.raises(TypeError):
        tagger.tag("Piet woont")


def test_plain_text_is_tokenized_and_tagged(tagger: Tagger) -> None:
    text = "Piet  woont in Gent."
    result = tagger.tag_text(text)
    assert result.tokens == ["Piet", "woont", "in", "Gent", "."]
    assert [text[start:end] for start, end in result.offsets] == result.tokens
    assert [result.tags] == tagger.tag([result.tokens])
    assert tagger.tag_text(" ") == ([], [], [])


def test_for_task_returns_a_tagger_of_another_task(tagger: Tagger, tiny_run: Any) -> None:
    assert tagger.tasks == tiny_corpus.TASKS
    assert tagger.task == tiny_corpus.TARGET
    pos = tagger.for_task("nld pos")
    assert (pos.task, tagger.task) == ("nld pos", tiny_corpus.TARGET)
    assert {tag for tags in pos.tag(SENTENCES) for tag in tags} <= set(pos.tag_names)
    assert set(pos.tag_names) == {"PROPN", "VERB", "ADP", "PUNCT", "CCONJ"}
    assert pos.tag(SENTENCES) == Tagger.load(tiny_run.folder, task="nld pos").tag(SENTENCES)
    assert (tagger.scheme, tagger.for_task("afr ner").scheme, pos.scheme) == ("iob2", "iob1", "none")
    assert (pos.column_format.token_col, pos.column_format.label_col) == (1, 3)


def test_the_error_for_an_unknown_task_names_the_known_ones(tagger: Tagger, tiny_run: Any) -> None:
    for choose in (tagger.for_task, lambda task: Tagger.load(tiny_run.folder, task)):
        with pytest.raises(
            RunError, match="'Dutch' is not in the run; expected one of 'nld ner', 'afr ner', "
        ):
            choose("Dutch")


@pytest.mark.parametrize("task", tiny_corpus.TASKS)
@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_loaded_tagger_scores_as_training_recorded(
    tagger: Tagger, tiny_run: Any, task: str, split: str
) -> None:
    task_tagger = tagger.for_task(task)
    path = tiny_run.config.parent / f"{task.replace(' ', '.')}.{split}"
    sentences, findings = read_conll(path, task_tagger.column_format)
    score = task_tagger.evaluate(bioes_sentences(sentences, task_tagger.scheme, findings))
    summary = json.loads((tiny_run.folder / "summary.json").read_text(encoding="utf-8"))
    recorded = summary["scores"][task][split]
    assert score.as_json() == recorded
    # The returned tags are the scored tags.
    tags = task_tagger.tag([sentence.tokens for sentence in sentences])
    if task_tagger.scheme == "none":
        gold = [tag for sentence in sentences for tag in sentence.tags]
        predicted = [tag for sentence in tags for tag in sentence]
        correct = [a == b for a, b in zip(gold, predicted, strict=True)]
        assert np.mean(correct) == pytest.approx(recorded["accuracy"])


def test_loading_needs_only_the_run_folder(tagger: Tagger, run: Path) -> None:
    folder = RunFolder(run)
    folder.write("config.json", {**folder.read("config.json"), "data_root": "/nowhere"})
    for name in ("metrics.jsonl", "summary.json", "samples.json"):
        (run / name).unlink()
    shutil.rmtree(run / "checkpoints" / "last")
    before = sorted(run.rglob("*"))
    assert Tagger.load(str(run)).tag(SENTENCES) == tagger.tag(SENTENCES)
    assert sorted(run.rglob("*")) == before


def test_loading_a_run_without_a_checkpoint_is_refused(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(RunError, match="no checkpoint is there"):
        Tagger.load(run)


def test_a_vocabulary_of_another_run_is_refused(run: Path) -> None:
    vocabulary = RunFolder(run).read("vocab.json")
    vocabulary["words"]["afr_words"]["words"].append("nuut")
    RunFolder(run).write("vocab.json", vocabulary)
    message = r"\['afr_words'\]\['table'\] has shape .*expected .*\n.*not of one run"
    with pytest.raises(RunError, match=message):
        Tagger.load(run)
