"""The expected calibration error: probabilities of predictions against the share that is correct."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Bin(NamedTuple):
    """The predictions with a probability above ``low`` and at most ``high``; the first bin includes 0."""

    low: float
    high: float
    confidence: float  # mean probability; nan for an empty bin
    accuracy: float  # share of correct predictions; nan for an empty bin
    count: int


class Calibration(NamedTuple):
    """The calibration of a set of predictions, as one number and by bins of probability."""

    error: float  # expected calibration error; nan without predictions
    bins: tuple[Bin, ...]


def calibration(probabilities: ArrayLike, correct: ArrayLike, bins: int = 10) -> Calibration:
    """Compute the expected calibration error (Naeini et al. 2015; Guo et al. 2017).

        error = sum over bins of count / N * |accuracy - confidence|

    Args:
        probabilities: (N,) float in [0, 1], one a prediction; N may be 0.
        correct: (N,) bool, True if the prediction is correct.
        bins: number of bins of equal width; a probability between two bins belongs to the lower one.

    Returns:
        The error in [0, 1], nan if N is 0, and all bins in ascending order, the empty ones too.

    Raises:
        ValueError: if shapes are not both (N,), a probability is not in [0, 1] or is nan, or ``bins`` is
            below 1.
    """
    if bins < 1:
        raise ValueError(f"bins is {bins}, expected 1 or more")
    p, is_correct = np.asarray(probabilities, np.float64), np.asarray(correct, bool)
    if p.ndim != 1 or p.shape != is_correct.shape:
        raise ValueError(f"probabilities have shape {p.shape}, predictions {is_correct.shape}, expected (N,)")
    if not np.all((p >= 0) & (p <= 1)):
        raise ValueError("a probability is not in [0, 1]")
    edges = np.arange(bins + 1) / bins
    index = np.searchsorted(edges[1:-1], p)
    filled = []
    for i in range(bins):
        inside = index == i
        count = int(inside.sum())
        confidence = float(p[inside].mean()) if count else float("nan")
        accuracy = float(is_correct[inside].mean()) if count else float("nan")
        filled.append(Bin(float(edges[i]), float(edges[i + 1]), confidence, accuracy, count))
    gaps = [b.count * abs(b.accuracy - b.confidence) for b in filled if b.count]
    return Calibration(sum(gaps) / len(p) if len(p) else float("nan"), tuple(filled))
