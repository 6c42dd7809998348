"""Plain text tables of numbers and scores."""

from mlmt_jax.metrics.scores import Counts, Score
from mlmt_jax.training.split_scores import SplitScore
from mlmt_jax.training.tables import score_table, table


def test_columns_of_numbers_are_aligned_right() -> None:
    text = table(("name", "n", "share"), [("a", 7, "12.5%"), ("long name", 1234, "-")])
    assert text.splitlines() == [
        "name          n  share",
        "a             7  12.5%",
        "long name  1234      -",
    ]


def test_other_columns_are_aligned_left() -> None:
    text = table(("role", "x y"), [("crf", "1.2.3"), ("lstm", "-"), ("gate", "12")])
    assert text.splitlines() == ["role  x y", "crf   1.2.3", "lstm  -", "gate  12"]


def test_table_without_rows_is_its_header() -> None:
    assert table(("type", "P"), []) == "type  P"


def test_scores_are_printed_in_percent() -> None:
    types = {"PER": Counts(1, 2, 4)}
    spans = Score(0.875, types, 8, 2, 0.5, 0.25, 1 / 3, 0.4)
    words = Score(1.0, {}, tokens=8, sentences=2)
    scores = {
        "nld ner": {"dev": SplitScore(spans, 1.25)},
        "nld pos": {"test": SplitScore(words, float("nan"))},
    }
    assert score_table(scores).splitlines() == [
        "task     split      P      R     F1  lenient F1  accuracy   loss",
        "nld ner  dev    50.00  25.00  33.33       40.00     87.50  1.250",
        "nld pos  test       -      -      -           -    100.00    nan",
    ]
