"""One training step of one task model: a pure function, for one replica or for several in turn."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from mlmt_jax.model import TaskModel, batch_loss
from mlmt_jax.training.state import RunState
from mlmt_jax.training.word_rows import (
    GatheredRows,
    TableUser,
    gather_rows,
    is_table_path,
    replace_momentum,
    scatter_rows,
    table_momentum,
)
from mlmt_jax.types import Batch, Params, batch_axes

#: Mapped axes of the batch of several replicas, which share ``step_starts``.
REPLICA_AXES = batch_axes(words=0, sentences=0)


class TaskTraining(NamedTuple):
    """The training of one task model: static arguments of its steps."""

    task: TaskModel
    optimizer: optax.GradientTransformation
    users: tuple[TableUser, ...]  # task models that train its word table; empty if the table is frozen

    @property
    def table(self) -> str:
        """The name of the task model's word table."""
        return self.task.word_embed.name


class StepMetrics(NamedTuple):
    """The metrics of one step."""

    loss: jax.Array  # () float32, nats per sentence, before the update
    gradient_norm: jax.Array  # () float32, over all of the task model's gradients, before clipping


def touches(training: TaskTraining, path: tuple) -> bool:
    """Return True if a step of the task model reads or writes the leaf of ``RunState`` at this key path."""
    field, *keys = [getattr(entry, "key", getattr(entry, "name", None)) for entry in path]
    task, partners = training.task, [user.task for user in training.users]
    match field:
        case "params":
            return keys[0] in [part.name for part in task.parts.values()]
        case "opt_states":
            return keys[0] == task.name or (keys[0] in partners and is_table_path(path, training.table))
        case "step":
            return True
        case _:  # task_steps, synced
            return keys[0] == task.name or keys[0] in partners


def train_step(
    training: TaskTraining, state: RunState, batch: Batch, key: jax.Array
) -> tuple[RunState, StepMetrics]:
    """Update the components of one task model; all others pass through.

    Only the rows of the word table that occur in the batch are read and written.

    Args:
        training: the task model and its optimizer; static.
        state: state of one replica; leaves that the step does not touch (``touches``) may be None.
        batch: batch of the task's training data.
        key: key of the replica; ``state.step`` is folded in for the step.
    """
    rows = gather_rows(training.users, training.table, state, batch.words.table_rows)
    state, rows, metrics = _update(training, state, rows, batch, key)
    return scatter_rows(training.users, training.table, state, rows), metrics


def train_steps_in_turn(
    training: TaskTraining, states: RunState, batch: Batch, keys: jax.Array
) -> tuple[RunState, StepMetrics]:
    """Take ``train_step`` for R replicas, one after the other, in one program.

    Rows of the word table are gathered and scattered for all replicas at once. The loop over replicas copies
    all that it takes, so it does not take the tables.

    Args:
        training: as for ``train_step``.
        states: states with a leading axis R.
        batch: batch with a leading axis R, except for ``step_starts``.
        keys: (R,) keys.
    """
    users, table = training.users, training.table
    rows = jax.vmap(partial(gather_rows, users, table))(states, batch.words.table_rows)
    has_rows = lambda path: path[0].name == "synced" or is_table_path(path, table)
    empty = jnp.zeros(len(states.step))
    small = jax.tree.map_with_path(lambda path, leaf: empty if has_rows(path) else leaf, states)
    step_starts = batch.sentences.step_starts
    mapped = batch._replace(sentences=batch.sentences._replace(step_starts=None))

    def update_replica(replica):
        state, rows, batch, key = replica
        batch = batch._replace(sentences=batch.sentences._replace(step_starts=step_starts))
        return _update(training, state, rows, batch, key)

    small, rows, metrics = jax.lax.map(update_replica, (small, rows, mapped, keys))
    states = jax.tree.map_with_path(
        lambda path, leaf, before: before if has_rows(path) else leaf, small, states
    )
    return jax.vmap(partial(scatter_rows, users, table))(states, rows), metrics


def _update(
    training: TaskTraining, state: RunState, rows: GatheredRows, batch: Batch, key: jax.Array
) -> tuple[RunState, GatheredRows, StepMetrics]:
    """Update the gathered rows of the word table and all else of the state; the table is not used."""
    task, optimizer, users = training
    table = training.table
    # The model uses the gathered rows as its whole table.
    words = batch.words._replace(table_rows=jnp.arange(len(batch.words.table_rows)))
    batch = batch._replace(words=words)
    params = {**task.select(state.params), table: {"table": rows.rows}}
    opt_state = state.opt_states[task.name]
    if users:
        opt_state = replace_momentum(opt_state, table, rows.momenta[task.name])
    step_key = jax.random.fold_in(key, state.step)

    def loss_of(params: Params) -> jax.Array:
        if not users:  # frozen
            params = {**params, table: jax.lax.stop_gradient(params[table])}
        return batch_loss(task, params, batch, step_key)

    loss, gradients = jax.value_and_grad(loss_of)(params)
    updates, opt_state = optimizer.update(gradients, opt_state, params)
    new_params: Params = optax.apply_updates(params, updates)  # type: ignore[assignment]
    new_rows = new_params.pop(table)["table"]
    if users:
        momenta = {**rows.momenta, task.name: table_momentum(opt_state, table)}
        rows = rows._replace(rows=new_rows, momenta=momenta)
        opt_state = replace_momentum(opt_state, table, table_momentum(state.opt_states[task.name], table))
    state = state._replace(
        params={**state.params, **new_params},
        opt_states={**state.opt_states, task.name: opt_state},
        step=state.step + 1,
        task_steps={**state.task_steps, task.name: state.task_steps[task.name] + 1},
    )
    return state, rows, StepMetrics(loss, optax.tree.norm(gradients))
