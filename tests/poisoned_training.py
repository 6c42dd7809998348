"""``python poisoned_training.py ARGUMENTS...``: training whose first replica, ended by patience, turns NaN.

Stands here since it runs in processes of its own.
"""

import sys
from typing import Any

import jax
import numpy as np

from mlmt_jax.train import main
from mlmt_jax.training import fleet, run

# By evaluation, of the replicas that still go on; with a patience of 1 the first one ends at the second.
SCORES = (0.5, 0.1, 0.4, 0.2, 0.3, 0.3)
STEP = 5


def poison(arrays: list[jax.Array]) -> list[jax.Array]:
    """The first replica's numbers lost."""
    return [x.at[0].set(np.nan) if x.dtype == np.float32 else x for x in arrays]


def poison_training() -> None:
    """Has all training in this process lose its first replica's numbers."""
    scores = iter(SCORES)
    take_step = fleet.Fleet.take_step

    def take_poisoned_step(own: fleet.Fleet, name: str) -> Any:
        if own.step == STEP:
            own.arrays = [jax.jit(poison)(arrays) for arrays in own.arrays]
        return take_step(own, name)

    run.headline = lambda config, task, score: next(scores)
    fleet.Fleet.take_step = take_poisoned_step


if __name__ == "__main__":
    poison_training()
    main(sys.argv[1:])
