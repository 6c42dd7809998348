"""Files in the place of another, and tag sets that differ in one CRF: warned with numbers."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny_corpus
from config_edits import edited

from mlmt_jax.check import examine
from mlmt_jax.config import load_config
from mlmt_jax.corpus.corpora import load_corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Write a corpus with more sentences than the tiny one, of four tasks."""
    tiny_corpus.write_corpus(tmp_path)
    for language in tiny_corpus.NAMES:
        for seed, split in enumerate(("train", "dev", "test")):
            sentences = tiny_corpus.sentences(language, seed, 40)
            sentences = [[*s[:-1], (f"w{seed}{i}", "O", "NOUN"), s[-1]] for i, s in enumerate(sentences)]
            (tmp_path / f"{language}.ner.{split}").write_text(
                tiny_corpus.ner_lines(sentences, language), encoding="utf-8"
            )
            (tmp_path / f"{language}.pos.{split}").write_text(
                tiny_corpus.pos_lines(sentences), encoding="utf-8"
            )
    return tmp_path


def messages(corpus: Path, data: dict[str, Any] | None = None) -> list[str]:
    """Return the findings of train about misplaced files, which check must have too, without the folder."""
    path = tiny_corpus.write_config(corpus, data or tiny_corpus.config(), "c.json")
    config = load_config(path)
    words = ("holds the sentences", "are not in its train file", "looks like that", "differ, which share")
    in_train, in_check = (
        [str(f).replace(f"{corpus}/", "") for f in findings if any(word in f.text for word in words)]
        for findings in (load_corpus(config).findings, examine(config, str(path)).findings)
    )
    assert in_train == in_check
    return in_train


def test_clean_files_have_no_finding(corpus: Path) -> None:
    assert messages(corpus) == []


@pytest.mark.parametrize(("split", "source"), [("dev", "train"), ("test", "dev")])
def test_a_copied_split_is_named(corpus: Path, split: str, source: str) -> None:
    shutil.copy(corpus / f"nld.ner.{source}", corpus / f"nld.ner.{split}")
    [message] = messages(corpus)
    assert message.startswith(
        f"nld.ner.{split}: the {split} file of 'nld_ner' holds the sentences of its {source} file: 26 of 26"
    )


def test_parts_of_speech_in_place_of_names_are_named(corpus: Path) -> None:
    sentences = tiny_corpus.sentences("nld", 1, 40)
    lines = "\n\n".join("\n".join(f"{word} {pos}" for word, _, pos in sentence) for sentence in sentences)
    (corpus / "nld.ner.dev").write_text(lines + "\n", encoding="utf-8")
    [message] = messages(corpus)
    assert message.startswith(
        "nld.ner.dev: 100% of the tags of the dev file of 'nld_ner' are not in its train file: "
        "ADP, CCONJ, PROPN, PUNCT, VERB against LOC, PER"
    )


def test_swapped_languages_are_named(corpus: Path) -> None:
    dutch, afrikaans = corpus / "nld.pos.dev", corpus / "afr.pos.dev"
    text = dutch.read_text(encoding="utf-8")
    dutch.write_text(afrikaans.read_text(encoding="utf-8"), encoding="utf-8")
    afrikaans.write_text(text, encoding="utf-8")
    warnings = messages(corpus)
    assert {message.split(":")[0] for message in warnings} == {"nld.pos.dev", "afr.pos.dev"}
    assert all("looks like that of another language: " in message for message in warnings)
    assert any("% in that of 'afr_pos'" in message for message in warnings)


def test_the_remedies_for_differing_tags_remove_them(corpus: Path) -> None:
    originals = {path: path.read_text(encoding="utf-8") for path in corpus.glob("afr.ner.*")}
    for path, text in originals.items():
        path.write_text(text.replace("PER", "Person").replace("LOC", "Location"), encoding="utf-8")
    [message] = messages(corpus)
    text, advice = message.splitlines()
    data = tiny_corpus.config()
    crf = data["tasks"][0]["model"]["crf"]
    assert text == (
        f"afr.ner.train: the tags of 'nld_ner' and 'afr_ner' differ, which share the CRF {crf!r}: "
        "LOC, PER against Location, Person"
    )
    component = '{"name": "afr ner crf", "model": "crf"}'
    assert advice.strip() == (
        f'rename the tags, or add {component} to components and set tasks[1].model.crf to "afr ner crf"'
    )
    edits = {"components.+": {"name": "afr ner crf", "model": "crf"}, "tasks.1.model.crf": "afr ner crf"}
    assert messages(corpus, edited(data, edits)) == []
    for path, text in originals.items():  # the other remedy
        path.write_text(text, encoding="utf-8")
    assert messages(corpus) == []
