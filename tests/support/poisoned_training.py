"""``python poisoned_training.py ARGUMENTS...``: training of three replicas, two of which diverge.

The first replica, ended by patience, becomes NaN; the third has infinite losses at its last evaluation. The
script is a file of its own since several processes run it.
"""

import sys
from typing import Any
from unittest import mock

from tiny_runs import poison

from mlmt_jax.train import main
from mlmt_jax.training import loop
from mlmt_jax.training.divergence import DivergedError
from mlmt_jax.training.replica_set import ReplicaSet

# Scores of the replicas that are still training, in the order of their evaluations. With a patience of 1 the
# first replica ends at the second evaluation.
SCORES = (0.5, 0.1, 0.1, 0.4, 0.2, 0.2, 0.3, 0.3, 0.3)
POISONED_STEP, LAST_STEP = 5, 8


def train(arguments: list[str]) -> None:
    """Train, and replace the first replica's numbers by NaN before a step."""
    step, evaluate, steps = ReplicaSet.step, loop._evaluate_replica, []

    def poisoned_step(replicas: ReplicaSet, states: Any, task: str, batches: Any) -> Any:
        if len(steps) == POISONED_STEP:
            states = poison(states, 0)
        steps.append(task)
        return step(replicas, states, task, batches)

    def infinite_losses(replicas: Any, training: Any, number: int, params: Any, seconds: float) -> Any:
        if number == 2 and training.step == LAST_STEP:
            raise DivergedError("infinite")
        return evaluate(replicas, training, number, params, seconds)

    with (
        mock.patch.object(loop, "headline", side_effect=SCORES),
        mock.patch.object(ReplicaSet, "step", poisoned_step),
        mock.patch.object(loop, "_evaluate_replica", infinite_losses),
    ):
        main(arguments)


if __name__ == "__main__":
    train(sys.argv[1:])
