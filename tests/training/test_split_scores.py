"""The predictions of a file give its scores and the calibration of its probabilities."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlmt_jax.text.columns import Sentence
from mlmt_jax.training import split_scores

NAMES = ("O", "B-X", "I-X", "E-X", "S-X")
TAGS = split_scores.TaskTags(NAMES, are_spans=True)


def evaluated(monkeypatch: pytest.MonkeyPatch, gold: list[list[str]], predicted: list[list[str]], nats: list):
    """Score predicted tags with the given losses."""
    index = {tag: i for i, tag in enumerate(NAMES)}
    sentences = [Sentence(("w",) * len(g), tuple(g), range(1, len(g) + 1)) for g in gold]
    padded = [np.array([*(index[tag] for tag in tags), 0, 0]) for tags in predicted]
    predictions = list(zip(padded, np.array(nats, np.float32), strict=True))
    inference = SimpleNamespace(run=lambda *arguments: predictions)
    monkeypatch.setattr(split_scores, "Inference", lambda *arguments: inference)
    unused: Any = None
    return split_scores.evaluate_split(unused, {}, TAGS, sentences, unused, batch_size=2)


def test_scores_and_loss_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    gold = [["B-X", "E-X", "O"], ["S-Y"], ["S-X", "O"]]
    predicted = [["B-X", "E-X", "S-X"], ["S-X"], ["O", "O"]]
    # A span of the unknown type Y has no loss, and counts as an error.
    score = evaluated(monkeypatch, gold, predicted, [3.0, float("nan"), 1.0])
    assert score.loss == 2.0
    assert (score.score.precision, score.score.recall) == (1 / 3, 1 / 3)
    assert score.score.accuracy == 3 / 6
    record = score.as_json()
    assert record["loss"] == 2.0
    assert record["types"]["Y"] == {"precision": 0, "recall": 0, "f1": 0, "gold": 1, "predicted": 0}


def test_there_is_no_loss_if_every_sentence_has_an_unknown_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    score = evaluated(monkeypatch, [["S-Y"]], [["O"]], [float("nan")])
    assert np.isnan(score.loss)
    assert score.as_json()["loss"] is None


def calibrated(*, spans: bool) -> Any:
    """Return the calibration of fixed predictions for two sentences."""
    gold = [("B-X", "E-X", "O"), ("S-X",)]
    tags = [np.array([1, 3, 4, 0]), np.array([4, 0, 0, 0])]
    marginals = [np.full((4, len(NAMES)), 0.1) for _ in gold]
    marginals[0][[0, 1, 2], [1, 3, 4]] = 0.9, 0.8, 0.6
    marginals[1][0, 4] = 1.00001
    steps = [np.log([0.9, 0.5, 0.7, 1.0]), np.log([1.0, 1.0, 1.0, 1.0])]
    sentences = [Sentence(("w",) * len(g), g, range(1, len(g) + 1)) for g in gold]
    predictions = list(zip(tags, marginals, steps, strict=True))
    return split_scores.calibrate_predictions(predictions, TAGS._replace(are_spans=spans), sentences)


def test_spans_are_calibrated() -> None:
    calibration = calibrated(spans=True)
    # B-X E-X: 0.9 * 0.5, correct; S-X: 0.6, incorrect; S-X: 1, correct.
    bins = {i: (b.count, b.accuracy) for i, b in enumerate(calibration.bins) if b.count}
    assert bins == {4: (1, 1.0), 5: (1, 0.0), 9: (1, 1.0)}
    assert calibration.error == pytest.approx((0.55 + 0.6 + 0.0) / 3)


def test_tokens_are_calibrated() -> None:
    calibration = calibrated(spans=False)
    bins = {i: (b.count, b.accuracy) for i, b in enumerate(calibration.bins) if b.count}
    assert bins == {5: (1, 0.0), 7: (1, 1.0), 8: (1, 1.0), 9: (1, 1.0)}
    assert calibration.error == pytest.approx((0.6 + 0.2 + 0.1 + 0.0) / 4)
