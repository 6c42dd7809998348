"""Replicas side by side: one state with a leading axis R, stepped by one program."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from mlmt_jax.batches.prefetch import default_workers
from mlmt_jax.batches.replica_batches import StackedBatches
from mlmt_jax.batches.transfer import FlatBatch, flatten, unflatten
from mlmt_jax.corpus.random_streams import STEP_KEY
from mlmt_jax.model.roles import by_role, pad_models, resize
from mlmt_jax.model.task_model import TaskModel
from mlmt_jax.training import processes
from mlmt_jax.training.programs import Program
from mlmt_jax.training.setup import Setup, pad_together
from mlmt_jax.training.state import RunState
from mlmt_jax.training.step import (
    REPLICA_AXES,
    StepMetrics,
    TaskState,
    select,
    task_step,
    task_steps_in_turn,
)
from mlmt_jax.training.word_rows import WordRows, catch_up, gather, scatter, table_rows
from mlmt_jax.types import Batch, Params, batch_axes

_REPLICA_AXIS = PartitionSpec("replica")

jax.tree_util.register_dataclass(FlatBatch, ["values"], ["shapes"])

#: The states of all replicas of a group: the leaves of one pytree. A step takes only the leaves that its task
#: model touches, since each leaf costs time to hand over.
Leaves = list[jax.Array]


class Replica(NamedTuple):
    """One replica, as it is evaluated and saved."""

    setup: Setup

    @property
    def shapes(self) -> RunState:
        """Shapes of its unpadded state, as ``jax.ShapeDtypeStruct``."""
        return self.setup.shapes

    def crop(self, params: Params) -> Params:
        """Return padded parameters in the shapes of the replica."""
        return resize(params, self.shapes.params)


class _Programs(NamedTuple):
    """The compiled functions of a group; they are the same for all task models and groups of one kind."""

    # Whole tables, distinct rows (U,) -> rows.
    gather: Callable[[WordRows, Any], WordRows]
    # Task model by role, state, rows, (batch, settings, keys) -> the same after a step, and metrics.
    step: Callable[..., tuple[TaskState, WordRows, StepMetrics]]
    # Whole tables, distinct rows (U,), rows -> whole tables.
    scatter: Callable[[WordRows, Any, WordRows], WordRows]
    # Whole tables, their users, steps of these -> whole tables that are up to date.
    catch_up: Callable[..., WordRows]


def _unpacking(step: Callable[..., Any]) -> Callable[..., Any]:
    """Return a step that also takes a flat batch."""

    def train_step(task: TaskModel, state: TaskState, rows: WordRows, inputs: tuple) -> Any:
        batch, settings, keys = inputs
        batch = unflatten(batch) if isinstance(batch, FlatBatch) else batch
        return step(task, state, rows, (batch, settings, keys))

    return train_step


def _side_by_side(task: TaskModel, states: TaskState, rows: WordRows, inputs: tuple) -> Any:
    """Take a step of several replicas together."""
    step = jax.vmap(partial(task_step, task), (0, 0, (REPLICA_AXES, None, 0)))
    return step(states, rows, inputs)


def _by_platform(task: TaskModel, states: TaskState, rows: WordRows, inputs: tuple) -> Any:
    """Take a step of several replicas, on a CPU in turn."""
    # One replica keeps a CPU busy: side by side, eight took 13 times the step of one.
    in_turn, together = partial(task_steps_in_turn, task), partial(_side_by_side, task)
    return jax.lax.platform_dependent(states, rows, inputs, cpu=in_turn, default=together)


@lru_cache
def _programs(is_single: bool, mesh: Mesh | None) -> _Programs:
    """Return the programs of a single replica, of several on one device, or of several on a mesh."""
    step_program = partial(Program, static=1, donate_argnums=(1, 2))
    if is_single:
        step = step_program(_unpacking(task_step))
    elif mesh is None:
        step = step_program(_unpacking(_by_platform))
    else:
        # Metrics are small: every process gets those of all replicas.
        replicated, by_replica = (NamedSharding(mesh, axes) for axes in (PartitionSpec(), _REPLICA_AXIS))
        step = step_program(_side_by_side, out_shardings=(by_replica, by_replica, replicated))
    mapped = (lambda function, axes: function) if is_single else jax.vmap
    return _Programs(
        Program(mapped(gather, (0, 0))),
        step,
        Program(mapped(scatter, (0, 0, 0)), donate_argnums=0),
        Program(mapped(catch_up, (0, None, 0))),
    )


class ReplicaGroup:
    """R replicas of one model. A group does not change: states and batches are passed to it.

    States are padded to sizes that other runs have too, and that of the replica with the largest tables;
    padding values are never used. A single replica on one device has no leading axis.
    """

    def __init__(self, setups: Sequence[Setup], mesh: Mesh | None = None):
        """Choose sizes and programs; ``mesh`` has the axes "replica" and "data", None means one device."""
        first = setups[0]
        self._mesh, self._is_single = mesh, len(setups) == 1 and mesh is None
        self.replicas = [Replica(setup) for setup in setups]
        model = pad_models([setup.model for setup in setups])
        self._shapes = first.shapes_of(model)
        ways = 1 if mesh is None else mesh.shape["replica"]
        # The replica in each place of the leading axis; copies of the last one fill up the devices.
        self._places = [min(i, len(setups) - 1) for i in range(-(-len(setups) // ways) * ways)]
        seeds = [setups[i].config.training.seed for i in self._places]
        keys = jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed), STEP_KEY))(
            np.array(seeds, np.uint32)
        )
        if self._is_single:
            self.batches: Mapping[str, Any] = first.batches
            self._key = keys[0]
        else:
            parts = None if mesh is None or mesh.shape["data"] == 1 else mesh.shape["data"]
            stacked = {
                name: StackedBatches([setups[i].batches[name] for i in self._places], parts)
                for name in first.batches
            }
            self.batches = pad_together(first.model, stacked, parts or 1)
            self._key = self._put(keys)
        self._programs = _programs(self._is_single, mesh)
        # By task model by role and shapes of the batch: the programs of steps that are compiled in advance.
        self.compilations: dict[tuple, Future] = {}
        leaves, self._structure = jax.tree.flatten(self._shapes)
        numbers = self._structure.unflatten(range(len(leaves)))
        self._users, self._tables = first.users, {}
        for name, users in first.users.items():
            self._tables[name] = table_rows(numbers, name, list(users))
        self._tasks = {}
        for name in self.batches:
            training = first.task_training(name, model)
            settings = self._put_alike(training.settings)
            training = training._replace(settings=settings)
            self._tasks[name] = by_role(training.task), training, select(training, numbers)

    def compile_in_advance(self) -> None:
        """Start to compile the programs of steps, in threads; those of a mesh are compiled when used."""
        if self._mesh is not None:
            return
        lead = () if self._is_single else (len(self._places),)
        array = lambda x, shape: jax.ShapeDtypeStruct((*lead, *shape), x.dtype)
        leaves = [array(leaf, leaf.shape) for leaf in jax.tree.leaves(self._shapes)]
        for name, (task, training, numbers) in self._tasks.items():
            state, table = jax.tree.map(leaves.__getitem__, numbers)
            for example in self.batches[name].examples():
                batch = flatten(example) if default_workers(jax.default_backend()) is not None else example
                indices = example.words.table_rows
                rows = jax.tree.map(
                    lambda x, count=indices.shape[-1]: array(x, (count, *x.shape[len(lead) + 1 :])), table
                )
                self._programs.gather.compile_in_advance(table, indices)
                inputs = batch, training.settings, self._key
                self.compilations[task, _shapes_of(batch)] = self._programs.step.compile_in_advance(
                    task, state, rows, inputs
                )
                if training.users:
                    self._programs.scatter.compile_in_advance(table, indices, rows)

    def stack(self, states: Sequence[RunState]) -> Leaves:
        """Stack the states of the replicas and move them to the devices.

        Args:
            states: one state a replica, of the run's unpadded shapes, in host memory.

        Returns:
            The arrays of all states as a list in the order of ``jax.tree.leaves``. Each is padded to the
            group's shapes and has a leading axis of replicas, longer than ``states`` if the last devices hold
            copies of a replica. A single replica on one device has no leading axis.
        """
        padded = [resize(state, self._shapes) for state in states]
        if self._is_single:
            return jax.tree.leaves(to_device(padded[0]))
        stacked = jax.tree.map(lambda *leaves: np.stack([leaves[i] for i in self._places]), *padded)
        return jax.tree.leaves(jax.tree.map(self._put, stacked))

    def place(self, batch: Batch | FlatBatch) -> Batch | FlatBatch:
        """Return a batch of NumPy arrays as ``step`` takes it.

        On one device it is the same batch. On a mesh a flat batch is unpacked, and the arrays are spread over
        the devices.
        """
        if self._mesh is None:
            return batch
        batch = unflatten(batch) if isinstance(batch, FlatBatch) else batch
        is_dealt = self._mesh.shape["data"] > 1
        by_sentence = PartitionSpec("replica", "data") if is_dealt else _REPLICA_AXIS
        axes = batch_axes(words=_REPLICA_AXIS, sentences=by_sentence, step_starts=PartitionSpec())
        return Batch.from_arrays([*map(self._put, batch.arrays, axes.arrays)])

    def compilation(self, task: str, batch: Batch | FlatBatch) -> Future | None:
        """Return the compilation that a step of a task model would wait for, or None."""
        future = self.compilations.get((self._tasks[task][0], _shapes_of(batch)))
        return None if future is None or future.done() else future

    def step(self, leaves: Leaves, task: str, batch: Batch | FlatBatch) -> tuple[Leaves, StepMetrics]:
        """Start a step of all replicas; return their states after it and its metrics.

        Args:
            leaves: states before; the touched leaves are donated.
            task: name of the task model.
            batch: a batch of it, from ``batches`` and ``place``.
        """
        task_model, training, (state_numbers, table_numbers) = self._tasks[task]
        state, table = (
            jax.tree.map(leaves.__getitem__, numbers) for numbers in (state_numbers, table_numbers)
        )
        indices = batch.first if isinstance(batch, FlatBatch) else batch.words.table_rows
        rows = self._programs.gather(table, indices)
        state, rows, metrics = self._programs.step(
            task_model, state, rows, (batch, training.settings, self._key)
        )
        if training.users:
            table = self._programs.scatter(table, indices, rows)
        leaves = list(leaves)
        for numbers, values in ((state_numbers, state), (table_numbers, table)):
            for i, value in zip(jax.tree.leaves(numbers), jax.tree.leaves(values), strict=True):
                leaves[i] = value
        return leaves, metrics

    def copy_replica(self, leaves: Leaves, source: int, target: int) -> Leaves:
        """Return the states with one replica replaced by a copy of another.

        Args:
            leaves: states of a group of several replicas; they are donated.
            source: number in the group of the replica that is copied.
            target: number in the group of the replica that is replaced, in all of its places.
        """
        places = np.array([i for i, replica in enumerate(self._places) if replica == target])
        copy = jax.jit(
            lambda leaves: [x.at[places].set(x[source]) for x in leaves],
            donate_argnums=0,
            out_shardings=None if self._mesh is None else NamedSharding(self._mesh, _REPLICA_AXIS),
        )
        return copy(leaves)

    def metrics(self, metrics: StepMetrics) -> list[StepMetrics]:
        """Return the metrics of a step for each replica on the host; waits for them."""
        return self._split(jax.device_get(metrics) if self._is_single else metrics)

    def states(self, leaves: Leaves) -> list[RunState]:
        """Return the unpadded state of each replica; arrays without padding of a single one are its own."""
        states = self._split(self._structure.unflatten(leaves))
        return [resize(state, replica.shapes) for state, replica in zip(states, self.replicas, strict=True)]

    def params(self, leaves: Leaves) -> list[Params]:
        """Return the parameters of each replica with the pending updates of word rows applied.

        They are padded, and on the host if there are several replicas. ``leaves`` do not change.
        """
        state: RunState = self._structure.unflatten(leaves)
        params = dict(state.params)
        for name, users in self._users.items():
            steps = [state.task_steps[user] for user in users]
            table = jax.tree.map(leaves.__getitem__, self._tables[name])
            params[name] = {"table": self._programs.catch_up(table, list(users.values()), steps).values}
        return self._split(params)

    def _put(self, values: Any, axes: PartitionSpec = _REPLICA_AXIS) -> jax.Array:
        """Return a NumPy array on the devices; on a mesh, spread over them by ``axes``."""
        if self._mesh is None:
            return jax.numpy.asarray(values)
        # Each process has the whole array on its host, and hands the parts to its devices.
        sharding = NamedSharding(self._mesh, axes)
        return jax.make_array_from_callback(values.shape, sharding, lambda index: values[index])

    def _put_alike(self, tree: Any) -> Any:
        """Return a pytree on every device."""
        if self._mesh is None:
            return to_device(tree)
        return jax.tree.map(lambda values: self._put(np.asarray(values), PartitionSpec()), tree)

    def _split(self, tree: Any) -> list[Any]:
        """Return a pytree for each replica: of several NumPy arrays, of a single one the same."""
        if self._is_single:
            return [tree]
        host = jax.tree.map(processes.on_host, tree)
        return [jax.tree.map(lambda x, i=i: x[i], host) for i in range(len(self.replicas))]


def _shapes_of(batch: Batch | FlatBatch) -> tuple[tuple[int, ...], ...]:
    """Return the shape of each array of a batch."""
    return batch.shapes if isinstance(batch, FlatBatch) else tuple(map(np.shape, batch.arrays))


def to_device(tree: Any) -> Any:
    """Return arrays of one replica on the device that evaluates, and that steps a single replica."""
    # Committed to the device, as arrays from a checkpoint are: both use the same compiled programs.
    return jax.device_put(tree, jax.local_devices()[0])
