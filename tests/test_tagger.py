"""A run folder, loaded and put to work."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_corpus

import mlmt_jax
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
    """A copy of the run folder to break."""
    return Path(shutil.copytree(tiny_run.folder, tmp_path / "copy"))


def test_a_tag_a_token(tagger: Tagger) -> None:
    tags = tagger.tag(SENTENCES)
    assert list(map(len, tags)) == list(map(len, SENTENCES))
    iob2 = {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"}
    assert {tag for own in tags for tag in own} <= iob2
    assert tags[0][0] == "B-PER"
    assert tagger.tag(iter(SENTENCES)) == tags
    assert tagger.tag([tuple(tokens) for tokens in SENTENCES]) == tags
    assert tagger.tag([]) == []


def test_the_batch_does_not_matter(tagger: Tagger) -> None:
    together = tagger.tag(SENTENCES)
    assert [tagger.tag([tokens])[0] for tokens in SENTENCES] == together
    assert tagger.tag(SENTENCES[::-1]) == together[::-1]
    assert tagger.tag(SENTENCES * 4) == together * 4


def test_a_string_is_no_sentence(tagger: Tagger) -> None:
    with pytest.raises(TypeError, match="got the sentence 'Piet woont'; expected a list of its tokens"):
        tagger.tag(["Piet woont"])
    with pytest.raises(TypeError):
        tagger.tag("Piet woont")


def test_text(tagger: Tagger) -> None:
    text = "Piet  woont in Gent."
    found = tagger.tag_text(text)
    assert found.tokens == ["Piet", "woont", "in", "Gent", "."]
    assert [text[start:end] for start, end in found.offsets] == found.tokens
    assert [found.tags] == tagger.tag([found.tokens])
    assert tagger.tag_text(" ") == ([], [], [])


def test_all_tasks_of_the_run(tagger: Tagger, tiny_run: Any) -> None:
    assert tagger.tasks == tiny_corpus.TASKS
    assert tagger.task == tiny_corpus.TARGET
    pos = tagger.for_task("nld pos")
    assert (pos.task, tagger.task) == ("nld pos", tiny_corpus.TARGET)
    assert {tag for own in pos.tag(SENTENCES) for tag in own} <= set(pos.tag_names)
    assert set(pos.tag_names) == {"PROPN", "VERB", "ADP", "PUNCT", "CCONJ"}
    assert pos.tag(SENTENCES) == Tagger.load(tiny_run.folder, task="nld pos").tag(SENTENCES)
    assert (tagger.scheme, tagger.for_task("afr ner").scheme, pos.scheme) == ("iob2", "iob1", "none")
    assert (pos.column_format.token_col, pos.column_format.label_col) == (1, 3)


def test_an_unknown_task_is_told_the_known_ones(tagger: Tagger, tiny_run: Any) -> None:
    for ask in (tagger.for_task, lambda task: Tagger.load(tiny_run.folder, task)):
        with pytest.raises(RunError, match="'Dutch' is not one of the run; it has 'nld ner', 'afr ner', "):
            ask("Dutch")


@pytest.mark.parametrize("task", tiny_corpus.TASKS)
@pytest.mark.parametrize("split", ["dev", "test"])
def test_what_was_saved_scores_as_it_did_in_training(
    tagger: Tagger, tiny_run: Any, task: str, split: str
) -> None:
    own = tagger.for_task(task)
    path = tiny_run.config.parent / f"{task.replace(' ', '.')}.{split}"
    sentences, findings = read_conll(path, own.column_format)
    score = own.evaluate(bioes_sentences(sentences, own.scheme, findings))
    saved = json.loads((tiny_run.folder / "summary.json").read_text(encoding="utf-8"))["scores"][task][split]
    assert score.as_json() == saved
    # The tags that are handed out are those that were scored.
    tags = own.tag([sentence.tokens for sentence in sentences])
    if own.scheme == "none":
        gold = [tag for sentence in sentences for tag in sentence.tags]
        right = [a == b for a, b in zip(gold, [tag for one in tags for tag in one], strict=True)]
        assert np.mean(right) == pytest.approx(saved["accuracy"])


def test_nothing_but_the_run_folder_is_needed(tagger: Tagger, run: Path) -> None:
    folder = RunFolder(run)
    folder.write("config.json", {**folder.read("config.json"), "data_root": "/nowhere"})
    for name in ("metrics.jsonl", "summary.json", "samples.json"):
        (run / name).unlink()
    shutil.rmtree(run / "checkpoints" / "last")
    before = sorted(run.rglob("*"))
    assert Tagger.load(str(run)).tag(SENTENCES) == tagger.tag(SENTENCES)
    assert sorted(run.rglob("*")) == before


def test_a_run_without_a_checkpoint(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(RunError, match="no checkpoint is there"):
        Tagger.load(run)


def test_files_of_two_runs(run: Path) -> None:
    vocabulary = RunFolder(run).read("vocab.json")
    vocabulary["words"]["afr_words"]["words"].append("nuut")
    RunFolder(run).write("vocab.json", vocabulary)
    message = r"\['afr_words'\]\['table'\] has shape .*expected .*\n.*not of one run"
    with pytest.raises(RunError, match=message):
        Tagger.load(run)


def test_the_package_has_nothing_else() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Taggerr'"):
        mlmt_jax.Taggerr  # noqa: B018
