"""Scores by length, confusion, and the bootstrap, against counts made by hand."""

import numpy as np
import pytest

from mlmt_jax.metrics.breakdown import (
    bootstrap_deviation,
    confusion,
    count_by_sentence_length,
    count_by_span_length,
    sentence_counts,
)
from mlmt_jax.metrics.scores import Counts

GOLD = [["S-PER", "O", "B-LOC", "E-LOC"], ["O"], ["B-PER", "I-PER", "E-PER", "S-LOC", "O", "O"]]
PREDICTED = [["S-PER", "O", "B-PER", "E-PER"], ["S-LOC"], ["B-PER", "I-PER", "E-PER", "O", "O", "O"]]


def test_counts_of_sentences_are_of_equal_spans() -> None:
    assert sentence_counts(GOLD, PREDICTED, "bioes") == [Counts(1, 2, 2), Counts(0, 1, 0), Counts(1, 1, 2)]
    assert sentence_counts([["A", "B"]], [["A", "A"]], "none") == [Counts(1, 2, 2)]


def test_spans_are_counted_by_their_words() -> None:
    by_length = count_by_span_length(GOLD, PREDICTED, "bioes")
    assert by_length == {1: Counts(1, 2, 2), 2: Counts(0, 1, 1), 3: Counts(1, 1, 1)}
    assert count_by_span_length([["A"]], [["A"]], "none") == {}


def test_sentences_are_grouped_by_their_words() -> None:
    counts = [Counts(1, 1, 1)] * 7
    groups = count_by_sentence_length(counts, [5, 6, 10, 11, 41, 900, 0])
    assert {name: group.gold for name, group in groups.items()} == {"1-5": 1, "6-10": 2, "11-20": 1, "41+": 2}


def test_confusion_counts_tokens_by_type() -> None:
    assert confusion(GOLD, PREDICTED, "bioes") == {
        "LOC": {"O": 1, "PER": 2},
        "O": {"LOC": 1, "O": 3},
        "PER": {"PER": 4},
    }
    assert confusion([["B-x", "O"]], [["O", "O"]], "none") == {"B-x": {"O": 1}, "O": {"O": 1}}


def test_the_bootstrap_agrees_with_the_formula_for_accuracy() -> None:
    # Sentences of one token each: the accuracy of a sample is a mean of independent values.
    counts = [Counts(int(i < 60), 1, 1) for i in range(100)]
    deviation = bootstrap_deviation(counts, draws=4000)
    assert deviation == pytest.approx(np.sqrt(0.6 * 0.4 / 100), rel=0.05)
    assert bootstrap_deviation(counts, draws=4000) == deviation
    assert bootstrap_deviation([Counts(2, 3, 4)] * 10) == pytest.approx(0.0, abs=1e-12)
    assert bootstrap_deviation([]) == 0.0
    assert bootstrap_deviation([Counts()] * 3) == 0.0
