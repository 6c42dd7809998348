"""Predictions of many sentences make the scores of a split, and say what probabilities are worth."""

from typing import Any

import numpy as np
import pytest

from mlmt_jax.text.columns import Sentence
from mlmt_jax.training import split_scores as scoring

TAGS = ("O", "B-X", "I-X", "E-X", "S-X")


def evaluated(monkeypatch: pytest.MonkeyPatch, gold: list[list[str]], predicted: list[list[str]], nats: list):
    """The score of given predictions."""
    index = {tag: i for i, tag in enumerate(TAGS)}
    examples = [Sentence(("w",) * len(g), tuple(g), range(1, len(g) + 1)) for g in gold]
    padded = [np.array([*(index[tag] for tag in tags), 0, 0]) for tags in predicted]
    found = list(zip(padded, np.array(nats, np.float32), strict=True))
    monkeypatch.setattr(scoring, "infer", lambda *given: found)
    nothing: Any = None
    return scoring.evaluate_split(nothing, {}, TAGS, examples, nothing, spans=True, batch_size=2)


def test_a_split(monkeypatch: pytest.MonkeyPatch) -> None:
    gold = [["B-X", "E-X", "O"], ["S-Y"], ["S-X", "O"]]
    predicted = [["B-X", "E-X", "S-X"], ["S-X"], ["O", "O"]]
    # The type Y is not known to the task: no loss, and an error all the same.
    found = evaluated(monkeypatch, gold, predicted, [3.0, float("nan"), 1.0])
    assert found.loss == 2.0
    assert (found.score.precision, found.score.recall) == (1 / 3, 1 / 3)
    assert found.score.accuracy == 3 / 6
    record = found.as_json()
    assert record["loss"] == 2.0
    assert record["types"]["Y"] == {"precision": 0, "recall": 0, "f1": 0, "gold": 1, "predicted": 0}


def test_no_loss_where_every_sentence_has_an_unknown_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    found = evaluated(monkeypatch, [["S-Y"]], [["O"]], [float("nan")])
    assert np.isnan(found.loss)
    assert found.as_json()["loss"] is None


def calibrated(*, spans: bool) -> Any:
    """Of two sentences whose tags are given with their probabilities."""
    gold = [("B-X", "E-X", "O"), ("S-X",)]
    tags = [np.array([1, 3, 4, 0]), np.array([4, 0, 0, 0])]
    marginals = [np.full((4, len(TAGS)), 0.1) for _ in gold]
    marginals[0][[0, 1, 2], [1, 3, 4]] = 0.9, 0.8, 0.6
    marginals[1][0, 4] = 1.00001
    steps = [np.log([0.9, 0.5, 0.7, 1.0]), np.log([1.0, 1.0, 1.0, 1.0])]
    examples = [Sentence(("w",) * len(g), g, range(1, len(g) + 1)) for g in gold]
    found = list(zip(tags, marginals, steps, strict=True))
    return scoring.calibrate_found(found, TAGS, examples, spans=spans)


def test_calibration_of_spans() -> None:
    found = calibrated(spans=True)
    # B-X E-X: 0.9 * 0.5, right; S-X: 0.6, wrong; S-X: 1, right.
    held = {i: (b.count, b.accuracy) for i, b in enumerate(found.bins) if b.count}
    assert held == {4: (1, 1.0), 5: (1, 0.0), 9: (1, 1.0)}
    assert found.error == pytest.approx((0.55 + 0.6 + 0.0) / 3)


def test_calibration_of_tokens() -> None:
    found = calibrated(spans=False)
    held = {i: (b.count, b.accuracy) for i, b in enumerate(found.bins) if b.count}
    assert held == {5: (1, 0.0), 7: (1, 1.0), 8: (1, 1.0), 9: (1, 1.0)}
    assert found.error == pytest.approx((0.6 + 0.2 + 0.1 + 0.0) / 4)
