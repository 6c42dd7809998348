"""What a run remembers of its steps, and what ends it."""

import numpy as np
import pytest
import tiny_corpus

from mlmt_jax.config import load_config
from mlmt_jax.training.setup import Setup, prepare_replicas
from mlmt_jax.training.step import StepMetrics
from mlmt_jax.training.window import DivergedError, Taken, Window


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    folder = tmp_path_factory.mktemp("window")
    tiny_corpus.write_corpus(folder)
    [setup] = prepare_replicas(load_config(tiny_corpus.write_config(folder, tiny_corpus.lean("nld ner"))))
    return setup


def taken(step: int, loss: float, norm: float) -> Taken:
    return Taken(step, "nld ner", step - 1, StepMetrics(np.float32(loss), np.float32(norm)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("loss", "norm"), [(0.5, np.inf), (0.5, np.nan), (np.nan, 0.5), (-np.inf, 0.5), (np.nan, np.nan)]
)
def test_a_loss_or_a_gradient_that_is_not_finite(setup: Setup, loss: float, norm: float) -> None:
    window = Window()
    window.add(setup, taken(1, 2.5, 0.25))
    with pytest.raises(DivergedError) as stopped:
        window.add(setup, taken(2, loss, norm))
    first, second = str(stopped.value).splitlines()
    assert first.startswith(f"step 2, task 'nld ner': loss is {loss}, gradient norm {norm}, ")
    assert "last finite norms: 'nld ner' 0.25 (step 1);" in first
    assert "nld.ner.train at lines " in second
    # What is told of the steps before stays finite.
    assert (window.losses, window.norms, window.sentences) == ({"nld ner": [2.5]}, {"nld ner": [0.25]}, 4)


def test_seconds_before_a_run_was_resumed_count() -> None:
    window = Window(seconds=100.0)
    assert 100 <= window.seconds < 200
    assert 100 <= Window(**window.as_json()).seconds < 200
