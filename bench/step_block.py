"""A block of training steps that is repeated for timing."""

import itertools
from collections.abc import Sequence

import jax

from mlmt_jax.training.plan import PlannedStep
from mlmt_jax.training.replica_set import ReplicaSet
from mlmt_jax.training.setup import Setup, fresh_state


class StepBlock:
    """The same planned steps of one or more replicas, which each call trains once more.

    Batches are assembled within the call. On a GPU, worker processes do so, as in training.
    """

    def __init__(self, setups: Sequence[Setup], plan: Sequence[PlannedStep]):
        self._replicas, self._plan = ReplicaSet(setups), plan
        self._states = self._replicas.start([fresh_state(setup) for setup in setups])
        self._batches = self._replicas.prefetch(itertools.cycle(plan))

    def __call__(self) -> None:
        """Train the planned steps and wait for the last one."""
        for planned, batches in itertools.islice(self._batches, len(self._plan)):
            self._states, _ = self._replicas.step(self._states, planned.task, batches)
            self._states = self._replicas.update_average(self._states, planned.step + 1)
        jax.block_until_ready(self._states)

    def close(self) -> None:
        """Stop the worker processes that assemble batches."""
        self._batches.close()
