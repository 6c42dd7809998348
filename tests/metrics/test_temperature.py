"""The fitted temperature, against losses whose best temperature is known."""

import numpy as np
import pytest

from mlmt_jax.metrics.temperature import fit_temperature

GRID = np.geomspace(0.25, 16.0, 25)


def losses_of(logits: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Return the losses of gold classes (S,) for logits (S, t) at each temperature, (S, K)."""
    scaled = logits[:, None] / GRID[:, None]
    return np.log(np.exp(scaled).sum(-1)) - scaled[np.arange(len(gold)), :, gold]


@pytest.mark.parametrize("temperature", [0.5, 1.3, 2.0, 5.0])
def test_the_temperature_of_the_sample_is_restored(temperature: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(20000, 3))
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    gold = (random.random(len(p))[:, None] > np.cumsum(p, -1)).sum(-1)
    losses = losses_of(temperature * logits, gold)
    fit = fit_temperature(GRID, losses)
    assert fit is not None
    assert fit.temperature == pytest.approx(temperature, rel=0.05)
    assert fit.loss_before == pytest.approx(losses[:, 8].mean())
    assert fit.loss_after <= losses.mean(0).min() + 1e-9


def test_sentences_without_a_loss_are_left_out() -> None:
    losses = losses_of(np.array([[3.0, 0.0], [1.0, 0.0]]), np.array([0, 1]))
    with_nan = np.concatenate([losses, np.full((1, 25), np.nan)])
    assert fit_temperature(GRID, with_nan) == fit_temperature(GRID, losses) != None  # noqa: E711
    assert fit_temperature(GRID, with_nan[2:]) is None
    assert fit_temperature(GRID, []) is None


def test_the_grid_bounds_the_temperature() -> None:
    always_right = losses_of(np.array([[1.0, 0.0]]), np.array([0]))
    assert fit_temperature(GRID, always_right).temperature == pytest.approx(0.25)  # type: ignore[union-attr]
