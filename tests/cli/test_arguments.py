"""The column options read files whose columns are not those of the training file."""

from pathlib import Path
from typing import Any

import pytest
from command_lines import is_one_message, status

from mlmt_jax import Tagger, evaluate, predict

WORDS = ["Piet", "Smit", "woont", "in", "Gent"]


def write_columns(folder: Path, separator: str = "\t") -> Path:
    """Write a file with the columns id, tag and token, and return its path."""
    tags = ["B-PER", "I-PER", "O", "O", "B-LOC"]
    lines = [
        separator.join((str(i), tag, word)) for i, (word, tag) in enumerate(zip(WORDS, tags, strict=True), 1)
    ]
    path = folder / "columns"
    path.write_text("\n".join((*lines, "", "")), encoding="utf-8")
    return path


@pytest.mark.parametrize(("separator", "name"), [("\t", "tab"), (" ", "space"), ("\t", "any")])
def test_predict_reads_the_chosen_column(
    tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], separator: str, name: str
) -> None:
    path = write_columns(tmp_path, separator)
    argv = (tiny_run.folder, path, "--token-col", "-1", "--separator", name)
    assert status(predict.main, *argv) == 0
    out, err = capsys.readouterr()
    rows = [line.split(separator) for line in out.splitlines() if line]
    assert [row[2] for row in rows] == WORDS
    assert [[row[3] for row in rows]] == Tagger.load(tiny_run.folder).tag([WORDS])
    assert err == ""


def test_predict_warns_if_the_tokens_are_no_words(
    tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_columns(tmp_path)
    assert status(predict.main, tiny_run.folder, path) == 0
    err = capsys.readouterr().err
    assert f"{path}: the tokens count the words of each sentence: '1'" in err
    assert "--token-col" in err


@pytest.mark.parametrize("source", ["text", "jsonl"])
def test_predict_refuses_columns_of_other_input(
    tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    argv = (tiny_run.folder, write_columns(tmp_path), "--input", source, "--token-col", "1")
    assert status(predict.main, *argv) == 2
    err = capsys.readouterr().err
    assert is_one_message(err)
    assert "--token-col" in err


def test_an_absent_column_is_refused(
    tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "one"
    path.write_text("\n".join((*WORDS, "")), encoding="utf-8")
    assert status(predict.main, tiny_run.folder, path, "--token-col", "2") == 2
    assert "token_col is 2" in capsys.readouterr().err
    assert status(predict.main, tiny_run.folder, path) == 0


def test_evaluate_reads_the_chosen_columns(
    tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [line.split("\t") for line in write_columns(tmp_path).read_text(encoding="utf-8").splitlines()]
    layouts = {
        "usual": ("\t", [(row[2], row[1]) for row in rows if len(row) == 3]),
        "other": (" ", [(row[1], row[0], row[2]) for row in rows if len(row) == 3]),
    }
    outputs = []
    for name, (separator, lines) in layouts.items():
        (tmp_path / name).mkdir()
        path = tmp_path / name / "labelled"
        path.write_text("\n".join((*map(separator.join, lines), "", "")), encoding="utf-8")
        flags = ("--token-col", "2", "--label-col", "0", "--separator", "space") if name == "other" else ()
        assert status(evaluate.main, tiny_run.folder, path, *flags) == 0
        out, err = capsys.readouterr()
        assert err == ""
        outputs.append(out)
    assert outputs[0] == outputs[1]
    assert [line.split()[0] for line in outputs[0].splitlines() if line.startswith(("PER", "LOC"))] == [
        "LOC",
        "PER",
    ]


def test_evaluate_refuses_a_file_without_known_tags(
    tiny_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_columns(tmp_path)
    argv = (tiny_run.folder, path, "--token-col", "0", "--label-col", "2")
    assert status(evaluate.main, *argv) == 2
    err = capsys.readouterr().err
    assert is_one_message(err), err
    assert f"{path}:1: 1 of 1 sentences have spans of types that 'nld ner' does not know: 'Gent'" in err
    assert "--label-col" in err
