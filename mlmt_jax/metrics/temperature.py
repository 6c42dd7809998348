"""The temperature of probabilities that makes gold tags most likely (Guo et al. 2017)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Fit(NamedTuple):
    """A temperature, and the mean loss of the gold tags in nats per sentence."""

    temperature: float
    loss_before: float  # at temperature 1
    loss_after: float  # at the temperature


def fit_temperature(temperatures: ArrayLike, losses: ArrayLike) -> Fit | None:
    """Return the temperature with the least mean loss, between grid points by a parabola in log T.

    The loss is a convex function of 1 / T: a log-likelihood of an exponential family.

    Args:
        temperatures: (K,) the grid, ascending; 1 must be in it.
        losses: (S, K) nats per sentence at each temperature; sentences with NaN are left out.

    Returns:
        The fit, or None if no sentence has finite losses.
    """
    logs, losses = np.log(np.asarray(temperatures, np.float64)), np.asarray(losses, np.float64)
    losses = losses[np.isfinite(losses).all(-1)] if len(losses) else losses
    if not len(losses):
        return None
    means = losses.mean(0)
    k = int(np.argmin(means))
    before = float(means[np.argmin(np.abs(logs))])
    if k in (0, len(means) - 1):
        return Fit(float(np.exp(logs[k])), before, float(means[k]))
    a, b, c = np.polyfit(logs[k - 1 : k + 2] - logs[k], means[k - 1 : k + 2], 2)
    if a <= 0:  # a flat minimum
        return Fit(float(np.exp(logs[k])), before, float(means[k]))
    shift = -b / (2 * a)
    return Fit(float(np.exp(logs[k] + shift)), before, float(a * shift**2 + b * shift + c))
