"""The message about losses and gradients that are not finite."""

import numpy as np
import pytest
import tiny_corpus

from mlmt_jax.config import load_config
from mlmt_jax.training.divergence import DivergedError, add_step
from mlmt_jax.training.plan import PlannedStep
from mlmt_jax.training.recent_steps import restore_recent_steps
from mlmt_jax.training.setup import Setup, prepare_replicas


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    """Return the setup of a run of one task model."""
    folder = tmp_path_factory.mktemp("diverged")
    tiny_corpus.write_corpus(folder)
    [setup] = prepare_replicas(load_config(tiny_corpus.write_config(folder, tiny_corpus.lean("nld ner"))))
    return setup


@pytest.mark.parametrize(
    ("loss", "norm"), [(0.5, np.inf), (0.5, np.nan), (np.nan, 0.5), (-np.inf, 0.5), (np.nan, np.nan)]
)
def test_loss_or_gradient_that_is_not_finite_is_described(setup: Setup, loss: float, norm: float) -> None:
    recent = add_step(setup, restore_recent_steps({}), PlannedStep(0, "nld ner", 0), 2.5, 0.25)
    with pytest.raises(DivergedError) as error:
        add_step(setup, recent, PlannedStep(1, "nld ner", 1), loss, norm)
    first_line, second_line = str(error.value).splitlines()
    assert first_line.startswith(f"step 2, task 'nld ner': loss is {loss}, gradient norm {norm}, ")
    assert "last finite norms: 'nld ner' 0.25 (step 1);" in first_line
    assert "nld.ner.train at lines " in second_line
    assert (recent.losses, recent.norms, recent.sentences) == ({"nld ner": (2.5,)}, {"nld ner": (0.25,)}, 4)
