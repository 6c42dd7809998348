"""The expected calibration error against a loop over predictions."""

import math

import numpy as np
import pytest

from mlmt_jax.metrics.calibration import calibration


def by_loop(probabilities: list[float], right: list[bool], bins: int) -> float:
    total = 0.0
    for i in range(bins):
        low, high = i / bins, (i + 1) / bins
        own = [
            (p, r)
            for p, r in zip(probabilities, right, strict=True)
            if low < p <= high or (p == 0 and i == 0)
        ]
        if own:
            gap = sum(r for _, r in own) / len(own) - sum(p for p, _ in own) / len(own)
            total += len(own) * abs(gap)
    return total / len(probabilities)


@pytest.mark.parametrize("bins", [1, 3, 10])
@pytest.mark.parametrize("seed", range(4))
def test_random_predictions(seed: int, bins: int) -> None:
    random = np.random.default_rng(seed)
    # Many on the edges of bins.
    p = np.where(random.random(200) < 0.3, random.integers(0, 11, 200) / 10, random.random(200))
    right = random.random(200) < p**2
    found = calibration(p, right, bins)
    assert found.error == pytest.approx(by_loop(p.tolist(), right.tolist(), bins), abs=1e-12)
    assert sum(b.count for b in found.bins) == 200
    assert len(found.bins) == bins


def test_the_bins() -> None:
    found = calibration([0.0, 0.1, 0.15, 0.9, 0.95, 1.0], [False, False, True, True, True, False])
    assert [b.count for b in found.bins] == [2, 1, 0, 0, 0, 0, 0, 0, 1, 2]
    first, last = found.bins[0], found.bins[-1]
    assert (first.low, first.high, first.accuracy) == (0.0, 0.1, 0.0)
    assert first.confidence == pytest.approx(0.05)
    assert (last.low, last.high, last.accuracy) == (0.9, 1.0, 0.5)
    assert math.isnan(found.bins[3].accuracy)
    expected = (2 * 0.05 + 0.85 + 0.1 + 2 * 0.475) / 6
    assert found.error == pytest.approx(expected)


def test_perfect_and_worst() -> None:
    assert calibration([1.0, 1.0, 0.0], [True, True, False]).error == 0
    assert calibration([1.0, 0.0], [False, True]).error == 1


def test_nothing_predicted() -> None:
    found = calibration([], [])
    assert math.isnan(found.error)
    assert {b.count for b in found.bins} == {0}


def test_refused() -> None:
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
