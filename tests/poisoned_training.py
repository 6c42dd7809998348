"""``python poisoned_training.py ARGUMENTS...``: training whose first replica, ended by patience, turns NaN.

Stands here since it runs in processes of its own.
"""

import sys
from typing import Any
from unittest import mock

from replica_runs import poison

from mlmt_jax.train import main
from mlmt_jax.training import run
from mlmt_jax.training.fleet import Fleet

# By evaluation, of the replicas that still go on; with a patience of 1 the first one ends at the second.
SCORES = (0.5, 0.1, 0.4, 0.2, 0.3, 0.3)
STEP = 5


def train(arguments: list[str]) -> None:
    """Training that loses the first replica's numbers before a step."""
    take_step = Fleet.take_step

    def take_poisoned_step(fleet: Fleet, name: str) -> Any:
        if fleet.step == STEP:
            poison(fleet, 0)
        return take_step(fleet, name)

    with (
        mock.patch.object(run, "headline", side_effect=SCORES),
        mock.patch.object(Fleet, "take_step", take_poisoned_step),
    ):
        main(arguments)


if __name__ == "__main__":
    train(sys.argv[1:])
