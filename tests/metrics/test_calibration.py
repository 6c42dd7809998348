"""The expected calibration error against a loop over predictions."""

import math

import numpy as np
import pytest

from mlmt_jax.metrics.calibration import calibration


def error_by_loop(probabilities: list[float], correct: list[bool], bins: int) -> float:
    """Compute the expected calibration error in a loop over bins and predictions."""
    total = 0.0
    for i in range(bins):
        low, high = i / bins, (i + 1) / bins
        inside = [
            (p, r)
            for p, r in zip(probabilities, correct, strict=True)
            if low < p <= high or (p == 0 and i == 0)
        ]
        if inside:
            gap = sum(r for _, r in inside) / len(inside) - sum(p for p, _ in inside) / len(inside)
            total += len(inside) * abs(gap)
    return total / len(probabilities)


@pytest.mark.parametrize("bins", [1, 3, 10])
@pytest.mark.parametrize("seed", range(4))
def test_calibration_of_random_predictions_equals_a_loop(seed: int, bins: int) -> None:
    random = np.random.default_rng(seed)
    # Many on the edges of bins.
    p = np.where(random.random(200) < 0.3, random.integers(0, 11, 200) / 10, random.random(200))
    correct = random.random(200) < p**2
    result = calibration(p, correct, bins)
    assert result.error == pytest.approx(error_by_loop(p.tolist(), correct.tolist(), bins), abs=1e-12)
    assert sum(b.count for b in result.bins) == 200
    assert len(result.bins) == bins


def test_bins_hold_bounds_counts_confidence_and_accuracy() -> None:
    result = calibration([0.0, 0.1, 0.15, 0.9, 0.95, 1.0], [False, False, True, True, True, False])
    assert [b.count for b in result.bins] == [2, 1, 0, 0, 0, 0, 0, 0, 1, 2]
    first, last = result.bins[0], result.bins[-1]
    assert (first.low, first.high, first.accuracy) == (0.0, 0.1, 0.0)
    assert first.confidence == pytest.approx(0.05)
    assert (last.low, last.high, last.accuracy) == (0.9, 1.0, 0.5)
    assert math.isnan(result.bins[3].accuracy)
    expected = (2 * 0.05 + 0.85 + 0.1 + 2 * 0.475) / 6
    assert result.error == pytest.approx(expected)


def test_calibration_error_of_perfect_and_of_worst_predictions() -> None:
    assert calibration([1.0, 1.0, 0.0], [True, True, False]).error == 0
    assert calibration([1.0, 0.0], [False, True]).error == 1


def test_calibration_without_predictions_is_nan() -> None:
    result = calibration([], [])
    assert math.isnan(result.error)
    assert {b.count for b in result.bins} == {0}


def test_calibration_refuses_invalid_arguments() -> None:
    with pytest.raises(ValueError, match="not in"):
        calibration([1.5], [True])
    with pytest.raises(ValueError, match="not in"):
        calibration([float("nan")], [True])
    with pytest.raises(ValueError, match="not in"):
        calibration([-0.1], [True])
    with pytest.raises(ValueError, match="bins is 0, expected 1 or more"):
        calibration([0.5], [True], bins=0)
    with pytest.raises(ValueError, match="shape"):
        calibration([0.5, 0.5], [True])
