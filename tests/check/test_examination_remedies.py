"""Remedies that findings and errors of the data propose: applied to the input, they remove the problem."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import tiny_corpus
from config_edits import edited
from doctored import DEV, TEST, TRAIN, Check

from mlmt_jax.check import examine
from mlmt_jax.config import load_config

# Most words are O: tags of names.
NAMES = "Jan PER\nwoont O\nin O\nhet O\nkleine O\nGent LOC\n. O\n\n"


def test_prefixes_alone_become_spans_with_a_type(check: Check) -> None:
    names = {"train": "Jan", "dev": "Piet", "test": "Anna"}
    files = {s: f"{n} B\nde I\nBoer I\nwoont O\nin O\nde O\nstad O\n. O\n" for s, n in names.items()}
    messages = check(**files).messages
    assert len(messages) == len(files)
    assert all(m.advice.startswith('write a type behind each prefix, such as "B-X"') for m in messages)
    files = {split: re.sub(r" ([BI])\n", r" \1-X\n", text) for split, text in files.items()}
    assert check(**files).messages == []


def test_types_alone_become_spans_of_the_scheme_io(check: Check) -> None:
    files = {
        split: NAMES.replace("Jan", name)
        for split, name in (("train", "Jan"), ("dev", "Piet"), ("test", "Anna"))
    }
    messages = check(**files).messages
    assert messages
    assert all('set parser.scheme to "io"' in message.advice for message in messages)
    assert check(**files, parser={"scheme": "io"}).messages == []


def test_the_proposed_columns_are_right(check: Check) -> None:
    numbered = {
        split: "".join(f"{i} {line}\n" if line else "\n" for i, line in enumerate(text.splitlines() * 8))
        for split, text in (("train", f"{TRAIN}\n"), ("dev", f"{DEV}\n"), ("test", f"{TEST}\n"))
    }
    messages = check(**numbered).messages
    proposals = {
        tuple(map(int, pair))
        for m in messages
        for pair in re.findall(r"token_col (\d), label_col (\d)", m.advice)
    }
    [(token_col, label_col)] = proposals
    again = check(**numbered, parser={"token_col": token_col, "label_col": label_col}).messages
    assert not [m for m in again if "the file looks like" in m.advice or m.kind == "error"]


def test_the_proposed_encoding_is_right(check: Check) -> None:
    text = TRAIN.replace("Jan", "Zoë").replace("Mies", "Renée")
    messages = check(train=text, parser={"encoding": "latin-1"}).messages
    assert [m for m in messages if 'set parser.encoding to "utf-8"' in m.advice]
    assert check(train=text, parser={"encoding": "utf-8"}).messages == []


def errors(folder: Path, data: dict[str, Any]) -> list[str]:
    """Return the errors of the tiny corpus with a config."""
    path = tiny_corpus.write_config(folder, data, "c.json")
    return [str(finding) for finding in examine(load_config(path), str(path)).errors]


@pytest.mark.parametrize(
    ("fault", "remedy", "words"),
    [
        ({"tasks.2.metric": "span_f1"}, {"tasks.2.metric": "accuracy"}, "expected 'accuracy' or 'auto'"),
        ({"tasks.2.metric": "span_f1"}, {"tasks.2.metric": "auto"}, "expected 'accuracy' or 'auto'"),
        ({"datasets.1.parser.scheme": "none"}, {"datasets.1.parser.scheme": "iob1"}, "set parser.scheme"),
        ({"components.CRF.constrain": True}, {"components.CRF.constrain": False}, "or constrain false"),
        (
            {"training.max_epoch": 1, "datasets.0.sample": 0},
            {"training.max_epoch": None},
            "--set training.max_epoch=null",
        ),
    ],
)
def test_the_proposed_value_is_accepted(
    tmp_path: Path, fault: dict[str, Any], remedy: dict[str, Any], words: str
) -> None:
    tiny_corpus.write_corpus(tmp_path)
    data = json.loads((tmp_path / "tiny.json").read_text(encoding="utf-8"))
    crf = next(
        i for i, part in enumerate(data["components"]) if part["name"] == data["tasks"][2]["model"]["crf"]
    )
    fault, remedy = (
        {key.replace("CRF", str(crf)): v for key, v in edits.items()} for edits in (fault, remedy)
    )
    data = edited(data, fault)
    assert any(words in error for error in errors(tmp_path, data)), errors(tmp_path, data)
    assert errors(tmp_path, edited(data, remedy)) == []
