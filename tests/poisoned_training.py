"""``python poisoned_training.py ARGUMENTS...``: training whose first replica, ended by patience, turns NaN.

Stands here since it runs in processes of its own.
"""

import sys
from typing import Any
from unittest import mock

import jax
import numpy as np

from mlmt_jax.train import main
from mlmt_jax.training import run
from mlmt_jax.training.fleet import Fleet

# By evaluation, of the replicas that still go on; with a patience of 1 the first one ends at the second.
SCORES = (0.5, 0.1, 0.4, 0.2, 0.3, 0.3)
STEP = 5


def poisoned(arrays: list[jax.Array]) -> list[jax.Array]:
    """The first replica's numbers lost."""
    return [x.at[0].set(np.nan) if x.dtype == np.float32 else x for x in arrays]


def train(arguments: list[str]) -> None:
    """Training that loses them before a step."""
    take_step = Fleet.take_step

    def take_poisoned_step(fleet: Fleet, name: str) -> Any:
        if fleet.step == STEP:
            fleet.arrays = [jax.jit(poisoned)(arrays) for arrays in fleet.arrays]
        return take_step(fleet, name)

    with (
        mock.patch.object(run, "headline", side_effect=SCORES),
        mock.patch.object(Fleet, "take_step", take_poisoned_step),
    ):
        main(arguments)


if __name__ == "__main__":
    train(sys.argv[1:])
