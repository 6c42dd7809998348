"""``python poisoned_training.py ARGUMENTS...``: training of three replicas that lose their numbers.

The first one, ended by patience, turns NaN; the third has infinite losses at its last evaluation.

Stands here since it runs in processes of its own.
"""

import sys
from typing import Any
from unittest import mock

from replica_runs import poison

from mlmt_jax.train import main
from mlmt_jax.training import run
from mlmt_jax.training.fleet import Fleet
from mlmt_jax.training.window import DivergedError

# By evaluation, of the replicas that still go on; with a patience of 1 the first one ends at the second.
SCORES = (0.5, 0.1, 0.1, 0.4, 0.2, 0.2, 0.3, 0.3, 0.3)
STEP, LAST = 5, 8


def train(arguments: list[str]) -> None:
    """Training that loses the first replica's numbers before a step."""
    take_step, evaluate = Fleet.take_step, run.Run.evaluate

    def take_poisoned_step(fleet: Fleet, name: str) -> Any:
        if fleet.step == STEP:
            poison(fleet, 0)
        return take_step(fleet, name)

    def evaluate_poisoned(own: run.Run, *given: Any) -> Any:
        if own.folder.path.name == "2" and own.progress.step == LAST - 2:
            raise DivergedError("infinite")
        return evaluate(own, *given)

    with (
        mock.patch.object(run, "headline", side_effect=SCORES),
        mock.patch.object(Fleet, "take_step", take_poisoned_step),
        mock.patch.object(run.Run, "evaluate", evaluate_poisoned),
    ):
        main(arguments)


if __name__ == "__main__":
    train(sys.argv[1:])
