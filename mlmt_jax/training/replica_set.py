"""All replicas of a run: the groups of them that share a program, on the devices of all processes."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from mlmt_jax.batches.prefetch import PrefetchedBatches, default_workers
from mlmt_jax.config import AVERAGE_INTERVAL, Config
from mlmt_jax.errors import ConfigError
from mlmt_jax.training import processes
from mlmt_jax.training.plan import PlannedStep, RunLength
from mlmt_jax.training.replica_group import Leaves, Replica, ReplicaGroup
from mlmt_jax.training.setup import Setup
from mlmt_jax.training.state import RunState
from mlmt_jax.training.step import StepMetrics
from mlmt_jax.types import Params


def group_replicas(setups: Sequence[Setup]) -> list[list[int]]:
    """Return the numbers of the replicas that share a program: those with the same tags, in their order."""
    groups: dict[Any, list[int]] = {}
    for number, setup in enumerate(setups):
        groups.setdefault(tuple(setup.corpus.vocabulary.tags.items()), []).append(number)
    return list(groups.values())


def device_mesh(replicas: int, data_parallel: int) -> Mesh | None:
    """Return the devices as a mesh with the axes ("replica", "data"), or None if one device suffices.

    The "replica" axis has as many rows of ``data_parallel`` devices as there are, in one process at most
    ``replicas``. It may be shorter than ``replicas``, and with several processes also longer.

    Args:
        replicas: number of replicas to train side by side.
        data_parallel: number of devices that share the batches of a replica.

    Raises:
        ConfigError: if there are fewer than ``data_parallel`` devices, or if there are several processes and
            it does not divide the number of all devices.
    """
    devices = jax.devices()
    if data_parallel > len(devices):
        raise ConfigError(
            f"training.data_parallel: got {data_parallel}, but JAX has {len(devices)} "
            f"{'device' if len(devices) == 1 else 'devices'}; expected at most so many"
        )
    most = len(devices) // data_parallel
    # Every process must own a part of the mesh: with several, a replica may be computed twice instead.
    if processes.several() and len(devices) % data_parallel:
        raise ConfigError(
            f"training.data_parallel: got {data_parallel}, which does not divide the {len(devices)} devices "
            "of all processes"
        )
    ways = most if processes.several() else min(replicas, most)
    if ways * data_parallel == 1:
        return None
    return Mesh(np.array(devices[: ways * data_parallel]).reshape(ways, data_parallel), ("replica", "data"))


class ReplicaSet:
    """All replicas of a run, by number. A set does not change: the states of its groups are passed to it."""

    def __init__(self, setups: Sequence[Setup]):
        self.config: Config = setups[0].config
        self.weights: Mapping[str, float] = setups[0].weights
        self._numbers = group_replicas(setups)
        self._groups = [
            ReplicaGroup(
                [setups[n] for n in numbers], device_mesh(len(numbers), self.config.training.data_parallel)
            )
            for numbers in self._numbers
        ]
        self._places = {n: (g, i) for g, numbers in enumerate(self._numbers) for i, n in enumerate(numbers)}
        self._replicas = [
            self._groups[g].replicas[i] for g, i in map(self._places.__getitem__, range(len(setups)))
        ]
        training, target = self.config.training, self.config.target.name
        batches = setups[0].batches.get(target)  # None if the target is never trained
        epochs = training.max_epoch and batches and training.max_epoch * batches.batches_per_epoch
        self.length = RunLength(training.max_step, target, epochs or None)

    def __len__(self) -> int:
        return len(self._replicas)

    def __getitem__(self, number: int) -> Replica:
        return self._replicas[number]

    def compile_in_advance(self) -> None:
        """Start to compile the programs of steps, in threads."""
        for group in self._groups:
            group.compile_in_advance()

    def compilation(self, task: str, batches: Sequence[Any]) -> tuple[int, int, Future] | None:
        """Return what a step waits for, or None: number of its program from 1, of how many, the future."""
        compilations = [future for group in self._groups for future in group.compilations.values()]
        for group, batch in zip(self._groups, batches, strict=True):
            if future := group.compilation(task, batch):
                return compilations.index(future) + 1, len(compilations), future
        return None

    def hold(self, state: RunState) -> RunState:
        """Return a state that waits for ``start``: on the host if there are several (device memory)."""
        return state if len(self) == 1 else jax.device_get(state)

    def start(self, states: Sequence[RunState]) -> list[Leaves]:
        """Return the states of all groups on the devices, from one state for each replica."""
        return [
            group.stack([states[n] for n in numbers])
            for group, numbers in zip(self._groups, self._numbers, strict=True)
        ]

    def prefetch(self, plan: Iterator[PlannedStep]) -> PrefetchedBatches:
        """Return the steps of a plan with the placed batches of all groups; close it at the end."""
        workers = default_workers(jax.default_backend())
        if workers:  # Each worker process would choose the shapes anew.
            _ = [batches.padding for group in self._groups for batches in group.batches.values()]
        return PrefetchedBatches(
            [group.batches for group in self._groups],
            plan,
            lambda batches: [g.place(batch) for g, batch in zip(self._groups, batches, strict=True)],
            workers,
        )

    def step(
        self, states: Sequence[Leaves], task: str, batches: Sequence[Any]
    ) -> tuple[list[Leaves], list[StepMetrics]]:
        """Start a step of all replicas; the results may not be computed yet.

        Args:
            states: states of each group; those that the step touches are donated.
            task: name of the task model.
            batches: placed batch of each group.

        Returns:
            The states and the metrics of each group.
        """
        steps = [
            group.step(leaves, task, batch)
            for group, leaves, batch in zip(self._groups, states, batches, strict=True)
        ]
        return [leaves for leaves, _ in steps], [metrics for _, metrics in steps]

    def retire(self, states: list[Leaves], number: int, retired: frozenset[int]) -> list[Leaves]:
        """Return the states with a diverged replica as a copy of a healthy one of its group, if there is one.

        Numbers that are not finite would slow down the sums of all replicas of its program. All processes
        have to call this at once.

        Args:
            states: states of all groups.
            number: the replica.
            retired: all diverged replicas, this one included.
        """
        g, i = self._places[number]
        healthy = [place for place, n in enumerate(self._numbers[g]) if n not in retired]
        if not healthy:
            return states
        copied = self._groups[g].copy_replica(states[g], healthy[0], i)
        return [copied if group == g else leaves for group, leaves in enumerate(states)]

    def metrics(self, metrics: Sequence[StepMetrics]) -> dict[int, StepMetrics]:
        """Return the metrics of a step by replica, on the host; waits for them."""
        return self._by_number([g.metrics(values) for g, values in zip(self._groups, metrics, strict=True)])

    def states(self, states: Sequence[Leaves]) -> dict[int, RunState]:
        """Return the state of each replica in its own shapes; all processes call this at once."""
        return self._by_number([g.states(leaves) for g, leaves in zip(self._groups, states, strict=True)])

    def params(self, states: Sequence[Leaves]) -> dict[int, Params]:
        """Return the up-to-date, padded parameters of each replica; all processes call this at once."""
        return self._by_number([g.params(leaves) for g, leaves in zip(self._groups, states, strict=True)])

    def update_average(self, states: list[Leaves], step: int) -> list[Leaves]:
        """Return the states after so many steps, with the moving average updated if that is due.

        The leaves of an average that is updated are donated.
        """
        if not self.config.training.average_steps or step % AVERAGE_INTERVAL:
            return states
        return [g.update_average(leaves) for g, leaves in zip(self._groups, states, strict=True)]

    def averages(self, states: Sequence[Leaves], step: int) -> dict[int, Params] | None:
        """Return the moving average of each replica's parameters after so many steps, as ``params``.

        None if the parameters are not averaged, or before the first update.
        """
        if not self.config.training.average_steps or step < AVERAGE_INTERVAL:
            return None
        return self._by_number([g.averages(leaves) for g, leaves in zip(self._groups, states, strict=True)])

    def _by_number(self, values: Sequence[Sequence[Any]]) -> dict[int, Any]:
        """Return values by replica number, from one value for each replica of each group."""
        pairs = [zip(*pair, strict=True) for pair in zip(self._numbers, values, strict=True)]
        return {number: value for group_pairs in pairs for number, value in group_pairs}
