"""The compiled functions of a group of replicas: a step, and what goes before and after it."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from mlmt_jax.batches.transfer import FlatBatch, unflatten
from mlmt_jax.model.task_model import TaskModel
from mlmt_jax.training.averaging import Update, catch_up_all, update_average
from mlmt_jax.training.programs import Program
from mlmt_jax.training.state import History
from mlmt_jax.training.step import REPLICA_AXES, StepMetrics, TaskState, task_step, task_steps_in_turn
from mlmt_jax.training.word_rows import WordRows, gather, scatter
from mlmt_jax.types import Params

REPLICA_AXIS = PartitionSpec("replica")


class GroupPrograms(NamedTuple):
    """The compiled functions of a group; they are the same for all task models and groups of one kind."""

    # Whole tables, distinct rows (U,) -> rows.
    gather: Callable[[WordRows, Any], WordRows]
    # Task model by role, state, rows, (batch, settings, keys) -> the same after a step, and metrics.
    step: Callable[..., tuple[TaskState, WordRows, StepMetrics]]
    # Whole tables, distinct rows (U,), rows -> whole tables.
    scatter: Callable[[WordRows, Any, WordRows], WordRows]
    # Whole tables, their users and the decay, steps and histories -> whole tables that are up to date.
    catch_up: Callable[..., WordRows]
    # Average, histories, parameters, numbers -> average and histories after an update.
    update_average: Callable[..., tuple[Params, dict[str, History]]]


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
def group_programs(is_single: bool, mesh: Mesh | None) -> GroupPrograms:
    """Return the programs of a single replica, of several on one device, or of several on a mesh."""
    step_program = partial(Program, static=1, donate_argnums=(1, 2))
    if is_single:
        step = step_program(_unpacking(task_step))
    elif mesh is None:
        step = step_program(_unpacking(_by_platform))
    else:
        # Metrics are small: every process gets those of all replicas.
        replicated, by_replica = (NamedSharding(mesh, axes) for axes in (PartitionSpec(), REPLICA_AXIS))
        step = step_program(_side_by_side, out_shardings=(by_replica, by_replica, replicated))
    mapped = (lambda function, axes: function) if is_single else jax.vmap
    return GroupPrograms(
        Program(mapped(gather, (0, 0))),
        step,
        Program(mapped(scatter, (0, 0, 0)), donate_argnums=0),
        Program(mapped(catch_up_all, (0, None, 0))),
        Program(mapped(update_average, (0, 0, 0, Update(None, 0, 0, None))), donate_argnums=(0, 1)),
    )
