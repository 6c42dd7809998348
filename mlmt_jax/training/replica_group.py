"""Runs side by side: one state with a leading axis, stepped by one program, on one device or several."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from mlmt_jax.batches.prefetch import BatchesAhead, default_processes
from mlmt_jax.batches.replica_batches import StackedBatches
from mlmt_jax.batches.transfer import FlatBatch, unflatten
from mlmt_jax.errors import ConfigError
from mlmt_jax.model import build_model
from mlmt_jax.training import processes
from mlmt_jax.training.compiler_options import COMPILER_OPTIONS
from mlmt_jax.training.setup import STEP_KEY, Setup
from mlmt_jax.training.state import RunState
from mlmt_jax.training.step import REPLICA_AXES, StepMetrics, touches, train_step, train_steps_in_turn
from mlmt_jax.training.word_rows import up_to_date
from mlmt_jax.types import Batch, Params, batch_axes

__all__ = ["Group", "batches_ahead", "device_mesh", "groups_of"]

_BY_RUN = PartitionSpec("replica")

_jit = partial(jax.jit, donate_argnums=0, compiler_options=COMPILER_OPTIONS)

jax.tree_util.register_dataclass(FlatBatch, ["values"], ["shapes"])


def groups_of(setups: Sequence[Setup]) -> list[list[int]]:
    """Which runs share a program: those that have the same tags, whatever words and characters they know."""
    groups: dict[Any, list[int]] = {}
    for number, setup in enumerate(setups):
        groups.setdefault(tuple(setup.corpus.vocabulary.tags.items()), []).append(number)
    return list(groups.values())


def device_mesh(replicas: int, data_parallel: int) -> Mesh | None:
    """The devices as an array of axes ("replica", "data"); None where one device does it all.

    Args:
        replicas: runs side by side.
        data_parallel: devices that share a run's batch.

    Raises:
        ConfigError: where there are too few devices, or several processes cannot divide them.
    """
    devices = jax.devices()
    if data_parallel > len(devices):
        raise ConfigError(
            f"training.data_parallel: got {data_parallel}, but JAX has {len(devices)} "
            f"{'device' if len(devices) == 1 else 'devices'}; expected at most so many"
        )
    most = len(devices) // data_parallel
    # Every process must own a part of the mesh: over several, runs are rather computed twice.
    if processes.several() and len(devices) % data_parallel:
        raise ConfigError(
            f"training.data_parallel: got {data_parallel}, which does not divide the {len(devices)} devices "
            "of all processes"
        )
    ways = most if processes.several() else min(replicas, most)
    if ways * data_parallel == 1:
        return None
    return Mesh(np.array(devices[: ways * data_parallel]).reshape(ways, data_parallel), ("replica", "data"))


class Group:
    """R runs of one model. A run's tables are padded to the longest of any; what fills them is never read.

    Everything that has no leading axis of runs, states and parameters of a single run, has the run's own
    shapes where it goes in or comes out, unless it says otherwise. The state of all runs is the list of its
    leaves: a step takes those alone that its task touches, since each leaf costs time to hand over.
    """

    def __init__(self, setups: Sequence[Setup], mesh: Mesh | None = None):
        first, sizes = setups[0], [setup.model.sizes for setup in setups]
        longest = sizes[0]._replace(
            words={name: max(own.words[name] for own in sizes) for name in sizes[0].words},
            characters=max(own.characters for own in sizes),
        )
        model = build_model(first.config, longest)
        self.setups = [replace(setup, model=model) for setup in setups]  # as evaluation wants them
        self._mesh, self._alone = mesh, len(setups) == 1 and mesh is None
        self._own_shapes = [setup.shapes for setup in setups]
        self._shapes = self._own_shapes[0] if self._alone else self.setups[0].shapes
        ways = 1 if mesh is None else mesh.shape["replica"]
        # Runs that fill the devices up are copies of the last one.
        self._runs = [min(i, len(setups) - 1) for i in range(-(-len(setups) // ways) * ways)]
        seeds = [setups[i].config.training.seed for i in self._runs]
        keys = jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed), STEP_KEY))(
            np.array(seeds, np.uint32)
        )
        current = partial(up_to_date, first.users)
        if self._alone:
            self.batches: Mapping[str, Any] = first.batches
            self._key, self._current = keys[0], jax.jit(current)
        else:
            parts = None if mesh is None or mesh.shape["data"] == 1 else mesh.shape["data"]
            self.batches = {
                name: StackedBatches([setups[i].batches[name] for i in self._runs], parts)
                for name in first.batches
            }
            self._key, self._current = self._put(keys), jax.jit(jax.vmap(current))
        paths, self._structure = jax.tree.flatten_with_path(self._shapes)
        self._touched = {
            name: [
                i for i, (path, _) in enumerate(paths) if touches(first.model.tasks[name], first.users, path)
            ]
            for name in self.batches
        }
        self._steps = {name: self._jitted(name) for name in self.batches}

    def _jitted(self, name: str) -> Callable[..., tuple[list[jax.Array], StepMetrics]]:
        setup = self.setups[0]
        given = setup.model.tasks[name], setup.optimizers[name], setup.users
        step = self._of_leaves(name, partial(train_step, *given))
        if self._alone:
            return _jit(_unpacking(step))
        step = jax.vmap(step, (0, REPLICA_AXES, 0))
        if self._mesh is None:
            # One run keeps a CPU busy: side by side, eight took 13 times the step of one.
            in_turn = self._of_leaves(name, partial(train_steps_in_turn, *given))
            by_device = partial(jax.lax.platform_dependent, cpu=in_turn, default=step)
            return _jit(_unpacking(by_device))
        # What a step tells is small: every process gets all of it.
        everywhere = NamedSharding(self._mesh, PartitionSpec())
        by_run = NamedSharding(self._mesh, _BY_RUN)
        return _jit(step, out_shardings=(by_run, everywhere))

    def _of_leaves(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        """A step of a task that takes and gives the leaves it touches, in place of a state."""
        touched, structure = self._touched[name], self._structure

        def train_step_of_leaves(
            own: list[jax.Array], batch: Batch, key: jax.Array
        ) -> tuple[list[jax.Array], StepMetrics]:
            leaves: list[Any] = [None] * structure.num_leaves
            for i, leaf in zip(touched, own, strict=True):
                leaves[i] = leaf
            state, metrics = step(structure.unflatten(leaves), batch, key)
            leaves = structure.flatten_up_to(state)
            return [leaves[i] for i in touched], metrics

        return train_step_of_leaves

    def stack(self, states: Sequence[RunState]) -> list[jax.Array]:
        """The states of the runs as one."""
        if self._alone:
            return jax.tree.leaves(self.on_device(states[0]))
        padded = [_resized(state, self._shapes) for state in states]
        stacked = jax.tree.map(lambda *leaves: np.stack([leaves[i] for i in self._runs]), *padded)
        return jax.tree.leaves(jax.tree.map(self._put, stacked))

    def placed(self, batch: Batch | FlatBatch) -> Batch | FlatBatch:
        """A batch of NumPy arrays, packed or not, where the devices want it."""
        if self._mesh is None:
            return batch
        batch = unflatten(batch) if isinstance(batch, FlatBatch) else batch
        dealt = PartitionSpec("replica", "data") if self._mesh.shape["data"] > 1 else _BY_RUN
        axes = batch_axes(words=_BY_RUN, sentences=dealt, step_starts=PartitionSpec())
        return Batch.from_arrays([*map(self._put, batch.arrays, axes.arrays)])

    def step(
        self, state: list[jax.Array], name: str, batch: Batch | FlatBatch
    ) -> tuple[list[jax.Array], StepMetrics]:
        """All runs after a step of a task, and what it tells; of ``state``, what it touches is given away."""
        touched = self._touched[name]
        own, metrics = self._steps[name]([state[i] for i in touched], batch, self._key)
        state = list(state)
        for i, leaf in zip(touched, own, strict=True):
            state[i] = leaf
        return state, metrics

    def replace(self, state: list[jax.Array], run: int, by: int) -> list[jax.Array]:
        """The state with one run as a copy of another; ``state`` is given away."""
        places = np.array([i for i, own in enumerate(self._runs) if own == run])
        copied = jax.jit(
            lambda leaves: [x.at[places].set(x[by]) for x in leaves],
            donate_argnums=0,
            out_shardings=None if self._mesh is None else NamedSharding(self._mesh, _BY_RUN),
        )
        return copied(state)

    def metrics(self, metrics: StepMetrics) -> dict[int, StepMetrics]:
        """What a step told, by run; waits for it."""
        return self._by_run(metrics)

    def states(self, state: list[jax.Array]) -> dict[int, RunState]:
        """The state of each run."""
        whole = self._structure.unflatten(state)
        if self._alone:
            return {0: whole}
        return {i: _resized(own, self._own_shapes[i]) for i, own in self._by_run(whole).items()}

    def params(self, state: list[jax.Array]) -> dict[int, Params]:
        """The up-to-date parameters of each run, padded; on the host, but those of a run alone."""
        current = self._current(self._structure.unflatten(state))
        return {0: current} if self._alone else self._by_run(current)

    def on_device(self, tree: Any) -> Any:
        """Arrays of a run where evaluation, and the steps of a run alone, want them."""
        # Bound to the device, as what comes from a checkpoint is: a program for the one serves the other.
        return jax.device_put(tree, jax.local_devices()[0])

    def padded(self, params: Params) -> Params:
        """A run's parameters in the shapes that evaluation wants."""
        return params if self._alone else self.on_device(_resized(params, self._shapes.params))

    def cropped(self, run: int, params: Params) -> Params:
        """The inverse of ``padded``."""
        return params if self._alone else _resized(params, self._own_shapes[run].params)

    def own_shapes(self, run: int) -> RunState:
        """The shapes of a run's state, as ``jax.ShapeDtypeStruct``."""
        return self._own_shapes[run]

    def _put(self, values: Any, axes: PartitionSpec = _BY_RUN) -> jax.Array:
        if self._mesh is None:
            return jax.numpy.asarray(values)
        # Each process has the whole on its host, and gives its devices their parts.
        sharding = NamedSharding(self._mesh, axes)
        return jax.make_array_from_callback(values.shape, sharding, lambda index: values[index])

    def _by_run(self, tree: Any) -> dict[int, Any]:
        """A stacked tree by run, as NumPy arrays."""
        host = jax.tree.map(processes.on_host, tree)
        if self._alone:
            return {0: host}
        return {run: jax.tree.map(lambda x, run=run: x[run], host) for run in range(len(self.setups))}


def batches_ahead(groups: Sequence[Group], drawn: Iterator[tuple[str, int]]) -> BatchesAhead:
    """The batches of groups that step together, as they are drawn and where the devices want them."""
    beside = default_processes(jax.default_backend())
    if beside:  # processes, each of which would choose them anew
        _ = [batches.shapes for group in groups for batches in group.batches.values()]
    return BatchesAhead(
        [group.batches for group in groups],
        drawn,
        lambda batches: [group.placed(own) for group, own in zip(groups, batches, strict=True)],
        beside,
    )


def _unpacking(step: Callable[..., Any]) -> Callable[..., Any]:
    def train_step(own: list[jax.Array], batch: Batch | FlatBatch, key: jax.Array) -> Any:
        return step(own, unflatten(batch) if isinstance(batch, FlatBatch) else batch, key)

    return train_step


def _resized(tree: Any, like: Any) -> Any:
    """NumPy arrays of the shapes of ``like``: cut off, or filled up with zeros."""

    def resized(x, like):
        x, full = np.asarray(x), np.zeros(like.shape, like.dtype)
        both = tuple(slice(min(a, b)) for a, b in zip(x.shape, like.shape, strict=True))
        full[both] = x[both]
        return full

    return jax.tree.map(resized, tree, like)
