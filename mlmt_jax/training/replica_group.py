"""Replicas side by side: one state with a leading axis R, stepped by one program."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from mlmt_jax.batches.replica_batches import StackedBatches
from mlmt_jax.batches.transfer import FlatBatch, unflatten
from mlmt_jax.corpus.random_streams import STEP_KEY
from mlmt_jax.model import build_model
from mlmt_jax.training import processes
from mlmt_jax.training.compiler_options import COMPILER_OPTIONS
from mlmt_jax.training.setup import Setup
from mlmt_jax.training.state import RunState
from mlmt_jax.training.step import REPLICA_AXES, StepMetrics, touches, train_step, train_steps_in_turn
from mlmt_jax.training.word_rows import current_params
from mlmt_jax.types import Batch, Params, batch_axes

_REPLICA_AXIS = PartitionSpec("replica")

_jit = partial(jax.jit, donate_argnums=0, compiler_options=COMPILER_OPTIONS)

jax.tree_util.register_dataclass(FlatBatch, ["values"], ["shapes"])

#: The states of all replicas of a group: the leaves of one pytree. A step takes only the leaves that its task
#: model touches, since each leaf costs time to hand over.
Leaves = list[jax.Array]


class Replica(NamedTuple):
    """One replica, as it is evaluated and saved."""

    setup: Setup  # with the model of its group, whose tables are padded
    shapes: RunState  # shapes of its own, unpadded state, as ``jax.ShapeDtypeStruct``
    is_padded: bool

    def pad(self, params: Params) -> Params:
        """Return unpadded parameters in the shapes of the group, on the device that evaluates."""
        return to_device(_resize(params, self.setup.shapes.params)) if self.is_padded else params

    def crop(self, params: Params) -> Params:
        """Return padded parameters in the shapes of the replica: the inverse of ``pad``."""
        return _resize(params, self.shapes.params) if self.is_padded else params


class ReplicaGroup:
    """R replicas of one model. A group does not change: states and batches are passed to it.

    Tables are padded to those of the replica with the largest; padding values are never used. A single
    replica on one device has no leading axis and no padding.
    """

    def __init__(self, setups: Sequence[Setup], mesh: Mesh | None = None):
        """Build the programs; ``mesh`` has the axes "replica" and "data", None means one device."""
        first, sizes = setups[0], [setup.model.sizes for setup in setups]
        largest = sizes[0]._replace(
            words={name: max(size.words[name] for size in sizes) for name in sizes[0].words},
            characters=max(size.characters for size in sizes),
        )
        model = build_model(first.config, largest)
        self._mesh, self._is_single = mesh, len(setups) == 1 and mesh is None
        self.replicas = [
            Replica(replace(setup, model=model), setup.shapes, not self._is_single) for setup in setups
        ]
        self._shapes = first.shapes if self._is_single else self.replicas[0].setup.shapes
        ways = 1 if mesh is None else mesh.shape["replica"]
        # The replica in each place of the leading axis; copies of the last one fill up the devices.
        self._places = [min(i, len(setups) - 1) for i in range(-(-len(setups) // ways) * ways)]
        seeds = [setups[i].config.training.seed for i in self._places]
        keys = jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed), STEP_KEY))(
            np.array(seeds, np.uint32)
        )
        params_program = partial(current_params, first.users)
        if self._is_single:
            self.batches: Mapping[str, Any] = first.batches
            self._key, self._current_params = keys[0], jax.jit(params_program)
        else:
            parts = None if mesh is None or mesh.shape["data"] == 1 else mesh.shape["data"]
            self.batches = {
                name: StackedBatches([setups[i].batches[name] for i in self._places], parts)
                for name in first.batches
            }
            self._key, self._current_params = self._put(keys), jax.jit(jax.vmap(params_program))
        paths, self._structure = jax.tree.flatten_with_path(self._shapes)
        self._touched = {
            name: [i for i, (path, _) in enumerate(paths) if touches(first.task_training(name), path)]
            for name in self.batches
        }
        self._programs = {name: self._program(name) for name in self.batches}

    def _program(self, task: str) -> Callable[..., tuple[Leaves, StepMetrics]]:
        """Return the jitted step of a task model, from touched leaves, a batch and keys to touched leaves."""
        training = self.replicas[0].setup.task_training(task)
        step = self._on_leaves(task, partial(train_step, training))
        if self._is_single:
            return _jit(_unpacking(step))
        step = jax.vmap(step, (0, REPLICA_AXES, 0))
        if self._mesh is None:
            # One replica keeps a CPU busy: side by side, eight took 13 times the step of one.
            in_turn = self._on_leaves(task, partial(train_steps_in_turn, training))
            by_platform = partial(jax.lax.platform_dependent, cpu=in_turn, default=step)
            return _jit(_unpacking(by_platform))
        # Metrics are small: every process gets those of all replicas.
        replicated = NamedSharding(self._mesh, PartitionSpec())
        by_replica = NamedSharding(self._mesh, _REPLICA_AXIS)
        return _jit(step, out_shardings=(by_replica, replicated))

    def _on_leaves(self, task: str, step: Callable[..., Any]) -> Callable[..., Any]:
        """Return a step of a task model that takes and returns touched leaves in place of a state."""
        touched, structure = self._touched[task], self._structure

        def train_step_of_leaves(
            touched_leaves: Leaves, batch: Batch, key: jax.Array
        ) -> tuple[Leaves, StepMetrics]:
            leaves: list[Any] = [None] * structure.num_leaves
            for i, leaf in zip(touched, touched_leaves, strict=True):
                leaves[i] = leaf
            state, metrics = step(structure.unflatten(leaves), batch, key)
            leaves = structure.flatten_up_to(state)
            return [leaves[i] for i in touched], metrics

        return train_step_of_leaves

    def stack(self, states: Sequence[RunState]) -> Leaves:
        """Stack the states of the replicas and move them to the devices.

        Args:
            states: one state a replica, of the run's unpadded shapes, in host memory.

        Returns:
            The arrays of all states as a list in the order of ``jax.tree.leaves``. Each is padded to the
            group's shapes and has a leading axis of replicas, longer than ``states`` if the last devices hold
            copies of a replica. The arrays of a replica alone keep their shapes.
        """
        if self._is_single:
            return jax.tree.leaves(to_device(states[0]))
        padded = [_resize(state, self._shapes) for state in states]
        stacked = jax.tree.map(lambda *leaves: np.stack([leaves[i] for i in self._places]), *padded)
        return jax.tree.leaves(jax.tree.map(self._put, stacked))

    def place(self, batch: Batch | FlatBatch) -> Batch | FlatBatch:
        """Return a batch of NumPy arrays as a step takes it: spread over the devices if there are several."""
        if self._mesh is None:
            return batch
        batch = unflatten(batch) if isinstance(batch, FlatBatch) else batch
        is_dealt = self._mesh.shape["data"] > 1
        by_sentence = PartitionSpec("replica", "data") if is_dealt else _REPLICA_AXIS
        axes = batch_axes(words=_REPLICA_AXIS, sentences=by_sentence, step_starts=PartitionSpec())
        return Batch.from_arrays([*map(self._put, batch.arrays, axes.arrays)])

    def step(self, leaves: Leaves, task: str, batch: Batch | FlatBatch) -> tuple[Leaves, StepMetrics]:
        """Start a step of all replicas; return their states after it and its metrics.

        Args:
            leaves: states before; the touched leaves are donated.
            task: name of the task model.
            batch: a batch of it, from ``batches`` and ``place``.
        """
        touched = self._touched[task]
        new, metrics = self._programs[task]([leaves[i] for i in touched], batch, self._key)
        leaves = list(leaves)
        for i, leaf in zip(touched, new, strict=True):
            leaves[i] = leaf
        return leaves, metrics

    def copy_replica(self, leaves: Leaves, source: int, target: int) -> Leaves:
        """Return the states with one replica replaced by a copy of another; ``leaves`` are donated."""
        places = np.array([i for i, replica in enumerate(self._places) if replica == target])
        copy = jax.jit(
            lambda leaves: [x.at[places].set(x[source]) for x in leaves],
            donate_argnums=0,
            out_shardings=None if self._mesh is None else NamedSharding(self._mesh, _REPLICA_AXIS),
        )
        return copy(leaves)

    def metrics(self, metrics: StepMetrics) -> list[StepMetrics]:
        """Return the metrics of a step for each replica on the host; waits for them."""
        return self._split(metrics)

    def states(self, leaves: Leaves) -> list[RunState]:
        """Return the unpadded state of each replica; on the host if there are several."""
        state = self._structure.unflatten(leaves)
        if self._is_single:
            return [state]
        return [
            _resize(stacked, replica.shapes)
            for stacked, replica in zip(self._split(state), self.replicas, strict=True)
        ]

    def params(self, leaves: Leaves) -> list[Params]:
        """Return the up-to-date, padded parameters of each replica; on the host if there are several."""
        params = self._current_params(self._structure.unflatten(leaves))
        return [params] if self._is_single else self._split(params)

    def _put(self, values: Any, axes: PartitionSpec = _REPLICA_AXIS) -> jax.Array:
        """Return a NumPy array on the devices; on a mesh, spread over them by ``axes``."""
        if self._mesh is None:
            return jax.numpy.asarray(values)
        # Each process has the whole array on its host, and hands the parts to its devices.
        sharding = NamedSharding(self._mesh, axes)
        return jax.make_array_from_callback(values.shape, sharding, lambda index: values[index])

    def _split(self, tree: Any) -> list[Any]:
        """Return a stacked pytree as one of NumPy arrays for each replica."""
        host = jax.tree.map(processes.on_host, tree)
        if self._is_single:
            return [host]
        return [jax.tree.map(lambda x, i=i: x[i], host) for i in range(len(self.replicas))]


def to_device(tree: Any) -> Any:
    """Return arrays of one replica on the device that evaluates, and that steps a single replica."""
    # Committed to the device, as arrays from a checkpoint are: both use the same compiled programs.
    return jax.device_put(tree, jax.local_devices()[0])


def _unpacking(step: Callable[..., Any]) -> Callable[..., Any]:
    """Return a step that also takes a flat batch."""

    def train_step(leaves: Leaves, batch: Batch | FlatBatch, key: jax.Array) -> Any:
        return step(leaves, unflatten(batch) if isinstance(batch, FlatBatch) else batch, key)

    return train_step


def _resize(tree: Any, like: Any) -> Any:
    """Return a pytree as NumPy arrays of the shapes of ``like``: cut off, or padded with zeros."""

    def resize(x, like):
        x, resized = np.asarray(x), np.zeros(like.shape, like.dtype)
        common = tuple(slice(min(a, b)) for a, b in zip(x.shape, like.shape, strict=True))
        resized[common] = x[common]
        return resized

    return jax.tree.map(resize, tree, like)
