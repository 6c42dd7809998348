"""Whether probabilities mean what they say: confidence against accuracy."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Bin", "Calibration", "calibration"]


class Bin(NamedTuple):
    """The predictions whose probability is above ``low`` and at most ``high``; the first bin holds 0 too."""

    low: float
    high: float
    confidence: float  # mean probability; nan where there is none
    accuracy: float  # share that is right; nan where there is none
    count: int


class Calibration(NamedTuple):
    """How far the probabilities of some predictions are from the shares of them that are right."""

    error: float  # expected calibration error; nan where there is no prediction
    bins: tuple[Bin, ...]


def calibration(probabilities: ArrayLike, right: ArrayLike, bins: int = 10) -> Calibration:
    """The expected calibration error (Naeini et al. 2015; Guo et al. 2017).

        sum over bins of count / N * |accuracy - confidence|

    Args:
        probabilities: (N,) of the predictions, in [0, 1].
        right: (N,) bool, whether each is right.
        bins: how many, all of one width.

    Raises:
        ValueError: on unequal sizes, probabilities outside [0, 1], or no bins.
    """
    if bins < 1:
        raise ValueError(f"bins is {bins}, expected 1 or more")
    p, correct = np.asarray(probabilities, np.float64), np.asarray(right, bool)
    if p.ndim != 1 or p.shape != correct.shape:
        raise ValueError(f"probabilities of shape {p.shape} for predictions of shape {correct.shape}")
    if not np.all((p >= 0) & (p <= 1)):
        raise ValueError("a probability is not in [0, 1]")
    edges = np.arange(bins + 1) / bins
    index = np.searchsorted(edges[1:-1], p)
    found = []
    for i in range(bins):
        own = index == i
        count = int(own.sum())
        confidence = float(p[own].mean()) if count else float("nan")
        accuracy = float(correct[own].mean()) if count else float("nan")
        found.append(Bin(float(edges[i]), float(edges[i + 1]), confidence, accuracy, count))
    gaps = [b.count * abs(b.accuracy - b.confidence) for b in found if b.count]
    return Calibration(sum(gaps) / len(p) if len(p) else float("nan"), tuple(found))
