"""One training step of one task model: a pure function, for one replica or for several in turn."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from mlmt_jax.config import AVERAGE_INTERVAL
from mlmt_jax.model.roles import by_role
from mlmt_jax.model.task_model import TaskModel, TaskSettings, batch_loss
from mlmt_jax.training.averaging import Pending, catch_up_average
from mlmt_jax.training.optimizers import OptimizerSettings, build_optimizer
from mlmt_jax.training.state import History, RunState
from mlmt_jax.training.word_rows import (
    TableUser,
    WordRows,
    catch_up,
    gather,
    replace_momentum,
    scatter,
    table_momentum,
    table_rows,
    with_table_rows,
)
from mlmt_jax.types import Batch, Params, batch_axes

#: Mapped axes of the batch of several replicas, which share ``step_starts``.
REPLICA_AXES = batch_axes(words=0, sentences=0)

_TABLE = "word_embed"  # role of the word table


class StepSettings(NamedTuple):
    """Values in which the steps of one program may differ: all task models of one kind share a program."""

    task: TaskSettings
    optimizer: OptimizerSettings
    users: list[TableUser]  # of the word table, first the task model of the step; empty if it is frozen
    log_decay: Any = None  # () float32, of the moving average; None if word rows are not averaged


class TaskTraining(NamedTuple):
    """The training of one task model."""

    task: TaskModel
    users: tuple[str, ...]  # task models that train its word table, itself first; empty if it is frozen
    settings: StepSettings

    @property
    def table(self) -> str:
        """The name of the task model's word table."""
        return self.task.word_embed.name


class TaskState(NamedTuple):
    """The part of a ``RunState`` that a step reads and writes, by role; ``WordRows`` hold the word table."""

    params: Params  # by role, without the word table
    opt_state: optax.OptState  # by role; None for the momentum of the word table
    step: Any  # () int32
    # () int32, steps of the task model, and of the others that train its word table.
    task_steps: list[Any]
    histories: list[History]  # of the users of the word table; empty if its rows are not averaged


class StepMetrics(NamedTuple):
    """The metrics of one step."""

    loss: jax.Array  # () float32, nats per sentence, before the update
    gradient_norm: jax.Array  # () float32, over all of the task model's gradients, before clipping


def select(training: TaskTraining, state: RunState) -> tuple[TaskState, WordRows]:
    """Return the part of a state that a step of the task model reads and writes, and its word table."""
    task = training.task
    roles = {part.name: role for role, part in task.parts.items()}
    opt_state = replace_momentum(state.opt_states[task.name], training.table, None)
    steps = [state.task_steps[user] for user in training.users or (task.name,)]
    params = {roles[name]: subtree for name, subtree in task.select(state.params).items()}
    del params[_TABLE]
    average = state.average
    histories = [average.histories[user] for user in training.users] if average else []
    task_state = TaskState(params, _renamed(opt_state, roles), state.step, steps, histories)
    return task_state, table_rows(state, training.table, training.users)


def merge(training: TaskTraining, state: RunState, task_state: TaskState, rows: WordRows) -> RunState:
    """Return a state with another part of a task model and word table: the inverse of ``select``."""
    task = training.task
    names = {role: part.name for role, part in task.parts.items()}
    momentum = table_momentum(state.opt_states[task.name], training.table) if training.users else None
    opt_state = replace_momentum(_renamed(task_state.opt_state, names), training.table, momentum)
    params = {names[role]: subtree for role, subtree in task_state.params.items()}
    state = state._replace(
        params={**state.params, **params},
        opt_states={**state.opt_states, task.name: opt_state},
        step=task_state.step,
        task_steps={**state.task_steps, task.name: task_state.task_steps[0]},
    )
    return with_table_rows(state, training.table, training.users, rows)


def _renamed(opt_state: Any, names: dict[str, str]) -> Any:
    """Return the state of ``build_optimizer`` with other keys of the components."""

    def rename(node: Any) -> Any:
        if isinstance(node, dict):
            return {names[key]: value for key, value in node.items()}
        if isinstance(node, tuple):
            children = map(rename, node)
            return type(node)(*children) if hasattr(node, "_fields") else tuple(children)
        return node

    groups = {label: rename(group) for label, group in opt_state.inner_states.items()}
    return opt_state._replace(inner_states=groups)


def train_step(
    training: TaskTraining, state: RunState, batch: Batch, key: jax.Array
) -> tuple[RunState, StepMetrics]:
    """Update the components of one task model; all others pass through.

    Only the rows of the word table that occur in the batch are read and written.

    Args:
        training: the training of the task model, of the shapes of the state.
        state: state of one replica.
        batch: batch of the task's training data.
        key: key of the replica; ``state.step`` is folded in for the step.
    """
    task_state, tables = select(training, state)
    rows = gather(tables, batch.words.table_rows)
    task = by_role(training.task)
    task_state, rows, metrics = task_step(task, task_state, rows, (batch, training.settings, key))
    tables = scatter(tables, batch.words.table_rows, rows) if training.users else tables
    return merge(training, state, task_state, tables), metrics


def task_step(
    task: TaskModel, state: TaskState, rows: WordRows, inputs: tuple[Batch, StepSettings, jax.Array]
) -> tuple[TaskState, WordRows, StepMetrics]:
    """Take a step on the parts that it reads and writes.

    Args:
        task: the task model by role; static.
        state: its state.
        rows: the rows of the word table that the batch contains, with pending updates.
        inputs: the batch, the settings, and the key as for ``train_step``.
    """
    batch, settings, key = inputs
    is_frozen = not settings.users
    if rows.average is not None:
        pending = Pending(settings.log_decay, state.step, state.histories)
        updates = jnp.broadcast_to(state.step // AVERAGE_INTERVAL, rows.updates.shape)
        rows = rows._replace(average=catch_up_average(rows, settings.users, pending), updates=updates)
    rows = catch_up(rows, settings.users, state.task_steps[: len(settings.users)])
    # The model uses the gathered rows as its whole table.
    words = batch.words._replace(table_rows=jnp.arange(len(batch.words.table_rows)))
    batch = batch._replace(words=words)
    params = {**state.params, _TABLE: {"table": rows.values}}
    optimizer = build_optimizer(settings.optimizer, _TABLE, is_frozen=is_frozen)
    opt_state = state.opt_state
    if not is_frozen:
        opt_state = replace_momentum(opt_state, _TABLE, rows.momenta[0])
    step_key = jax.random.fold_in(key, state.step)

    def loss_of(params: Params) -> jax.Array:
        if is_frozen:
            params = {**params, _TABLE: jax.lax.stop_gradient(params[_TABLE])}
        return batch_loss(task, params, batch, step_key, settings.task)

    loss, gradients = jax.value_and_grad(loss_of)(params)
    updates, opt_state = optimizer.update(gradients, opt_state, params)
    new_params: Params = optax.apply_updates(params, updates)  # type: ignore[assignment]
    values = new_params.pop(_TABLE)["table"]
    task_steps = [state.task_steps[0] + 1, *state.task_steps[1:]]
    if not is_frozen:
        synced = [
            jnp.broadcast_to(steps, old.shape) for steps, old in zip(task_steps, rows.synced, strict=True)
        ]
        momenta = [table_momentum(opt_state, _TABLE), *rows.momenta[1:]]
        rows = rows._replace(values=values, momenta=momenta, synced=synced)
        opt_state = replace_momentum(opt_state, _TABLE, None)
    state = TaskState(new_params, opt_state, state.step + 1, task_steps, state.histories)
    return state, rows, StepMetrics(loss, optax.tree.norm(gradients))


def task_steps_in_turn(
    task: TaskModel, states: TaskState, rows: WordRows, inputs: tuple[Batch, StepSettings, jax.Array]
) -> tuple[TaskState, WordRows, StepMetrics]:
    """Take ``task_step`` for R replicas, one after the other, in one program.

    The arguments have a leading axis R, except for ``step_starts`` of the batch and the settings.
    """
    batch, settings, keys = inputs
    step_starts = batch.sentences.step_starts
    mapped = batch._replace(sentences=batch.sentences._replace(step_starts=None))

    def step_of_replica(replica: Any) -> tuple[TaskState, WordRows, StepMetrics]:
        state, rows, batch, key = replica
        batch = batch._replace(sentences=batch.sentences._replace(step_starts=step_starts))
        return task_step(task, state, rows, (batch, settings, key))

    return jax.lax.map(step_of_replica, (states, rows, mapped, keys))
