"""Replicas side by side: one state with a leading axis R, stepped by one program."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from mlmt_jax.batches.prefetch import default_workers
from mlmt_jax.batches.replica_batches import StackedBatches
from mlmt_jax.batches.transfer import FlatBatch, flatten, unflatten
from mlmt_jax.corpus.random_streams import STEP_KEY
from mlmt_jax.model.roles import by_role, pad_models, resize
from mlmt_jax.training import processes
from mlmt_jax.training.averaging import Update
from mlmt_jax.training.group_programs import REPLICA_AXIS, group_programs
from mlmt_jax.training.setup import Setup, pad_together
from mlmt_jax.training.state import RunState
from mlmt_jax.training.step import StepMetrics, select
from mlmt_jax.training.word_rows import WordRows, table_rows
from mlmt_jax.types import Batch, Params, batch_axes

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
        self._programs = group_programs(self._is_single, mesh)
        # By task model by role and shapes of the batch: the programs of steps that are compiled in advance.
        self.compilations: dict[tuple, Future] = {}
        leaves, self._structure = jax.tree.flatten(self._shapes)
        numbers = self._structure.unflatten(range(len(leaves)))
        self._users, self._tables = first.users, {}
        for name, users in first.users.items():
            self._tables[name] = table_rows(numbers, name, list(users))
        self._log_decay = first.log_decay
        if numbers.average is not None:
            dense = {name: n for name, n in numbers.average.params.items() if name not in first.users}
            histories = numbers.average.histories
            steps = {name: numbers.task_steps[name] for name in histories}
            update = Update(None, numbers.step, steps, None)
            self._average_numbers = dense, histories, {name: numbers.params[name] for name in dense}, update
            ratios = {task: u.log_ratio for users in first.users.values() for task, u in users.items()}
            self._log_decay, self._log_ratios = self._put_alike((first.log_decay, ratios))
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
        by_sentence = PartitionSpec("replica", "data") if is_dealt else REPLICA_AXIS
        axes = batch_axes(words=REPLICA_AXIS, sentences=by_sentence, step_starts=PartitionSpec())
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
            out_shardings=None if self._mesh is None else NamedSharding(self._mesh, REPLICA_AXIS),
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
        tables = {name: {"table": rows.values} for name, rows in self._up_to_date(leaves, state)}
        return self._split({**state.params, **tables})

    def averages(self, leaves: Leaves) -> list[Params]:
        """Return the moving average of each replica's parameters, as ``params``; at least one update is over.

        Word tables that are not trained have none: they are as ``params`` has them.
        """
        state: RunState = self._structure.unflatten(leaves)
        assert state.average is not None
        tables = {name: {"table": rows.average} for name, rows in self._up_to_date(leaves, state)}
        return self._split({**state.params, **state.average.params, **tables})

    def _up_to_date(self, leaves: Leaves, state: RunState) -> Iterator[tuple[str, WordRows]]:
        """Yield the name and the up-to-date rows of each word table that is trained."""
        for name, users in self._users.items():
            histories = state.average and [state.average.histories[user] for user in users]
            progress = [state.task_steps[user] for user in users], state.step, histories
            settings = list(users.values()), self._log_decay
            table = jax.tree.map(leaves.__getitem__, self._tables[name])
            yield name, self._programs.catch_up(table, settings, progress)

    def update_average(self, leaves: Leaves) -> Leaves:
        """Return the states after an update of the average, which is due now; its leaves are donated."""
        numbers = self._average_numbers
        average, histories, params, update = jax.tree.map(leaves.__getitem__, numbers)
        update = update._replace(log_decay=self._log_decay, log_ratios=self._log_ratios)
        results = self._programs.update_average(average, histories, params, update)
        leaves = list(leaves)
        for i, value in zip(jax.tree.leaves(numbers[:2]), jax.tree.leaves(results), strict=True):
            leaves[i] = value
        return leaves

    def _put(self, values: Any, axes: PartitionSpec = REPLICA_AXIS) -> jax.Array:
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
