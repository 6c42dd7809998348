"""``python poisoned_training.py ARGUMENTS...``: training of three replicas whose numbers are lost.

The first replica, ended by patience, becomes NaN; the third has infinite losses at its last evaluation. It is a file
of its own because it runs in processes of its own.
"""

import sys
from typing import Any
from unittest import mock

from replica_runs import poisoned

from mlmt_jax.train import main
from mlmt_jax.training import loop
from mlmt_jax.training.divergence import DivergedError
from mlmt_jax.training.replica_set import ReplicaSet

# In the order of evaluation, of the replicas that are still training; with a patience of 1 the first one ends at the
# second evaluation.
SCORES = (0.5, 0.1, 0.1, 0.4, 0.2, 0.2, 0.3, 0.3, 0.3)
POISONED_STEP, LAST_STEP = 5, 8


def train(arguments: list[str]) -> None:
    """Train, and replace the first replica's numbers by NaN before a step."""
    step, evaluate, steps = ReplicaSet.step, loop._evaluate_replica, []

    def poisoned_step(replicas: ReplicaSet, states: Any, task: str, batches: Any) -> Any:
        if len(steps) == POISONED_STEP:
            states = poisoned(states, 0)
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
