"""What a run prints while it goes."""

import io
import sys
from typing import Any

import pytest

from mlmt_jax.metrics.scores import Counts, Score
from mlmt_jax.training.printing import Reporter, score_table, table
from mlmt_jax.training.split_scores import SplitScore


def test_numbers_stand_to_the_right() -> None:
    text = table(("name", "n", "share"), [("a", 7, "12.5%"), ("long name", 1234, "-")])
    assert text.splitlines() == [
        "name          n  share",
        "a             7  12.5%",
        "long name  1234      -",
    ]


def test_words_stand_to_the_left() -> None:
    text = table(("role", "x y"), [("crf", "1.2.3"), ("lstm", "-"), ("gate", "12")])
    assert text.splitlines() == ["role  x y", "crf   1.2.3", "lstm  -", "gate  12"]


def test_a_table_without_rows() -> None:
    assert table(("type", "P"), []) == "type  P"


def test_scores_in_percent() -> None:
    types = {"PER": Counts(1, 2, 4)}
    spans = Score(0.5, 0.25, 1 / 3, 0.4, 0.875, types, tokens=8, sentences=2)
    words = Score(None, None, None, None, 1.0, {}, tokens=8, sentences=2)
    nothing = float("nan")
    scores = {"nld ner": {"dev": SplitScore(spans, 1.25)}, "nld pos": {"test": SplitScore(words, nothing)}}
    assert score_table(scores).splitlines() == [
        "task     split      P      R     F1  lenient F1  accuracy   loss",
        "nld ner  dev    50.00  25.00  33.33       40.00     87.50  1.250",
        "nld pos  test       -      -      -           -    100.00    nan",
    ]


def walk(reporter: Reporter, first: int, last: int) -> None:
    """Steps like the loop, of which the first has no loss yet."""
    for step in range(first, last + 1):
        reporter.step(step, ("nld ner", 1.5) if step > first else None)
    reporter.tell("a table")
    reporter.close()


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    walk(Reporter(10, first=3, interval=0.0), 4, 7)
    out, err = capsys.readouterr()
    assert out == "a table\n"
    lines = err.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("step 5/10  nld ner: loss 1.500  ")
    assert lines[0].endswith(" steps/s")


def test_lines_come_no_faster_than_their_interval(capsys: pytest.CaptureFixture[str]) -> None:
    walk(Reporter(10, first=0, interval=1000.0), 1, 10)
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal: Any = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    walk(Reporter(50, first=0), 1, 50)
    assert "/50" in terminal.getvalue()
    assert "nld ner: loss 1.500" in terminal.getvalue()
    assert capsys.readouterr().out == "a table\n"
