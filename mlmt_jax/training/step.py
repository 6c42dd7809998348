"""One training step of one task model: pure, for one run, or for several in turn."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from mlmt_jax.model import TaskModel, batch_loss
from mlmt_jax.training.state import RunState
from mlmt_jax.training.word_rows import (
    Gathered,
    TableUser,
    gathered,
    is_of_table,
    momentum_of,
    scattered,
    with_momentum,
)
from mlmt_jax.types import Batch, Params, batch_axes

__all__ = ["REPLICA_AXES", "StepMetrics", "touches", "train_step", "train_steps_in_turn"]

#: Mapped axes of the batch of several replicas, which share ``step_starts``.
REPLICA_AXES = batch_axes(words=0, sentences=0)


class StepMetrics(NamedTuple):
    """What a step tells."""

    loss: jax.Array  # () float32, nats per sentence, before the update
    gradient_norm: jax.Array  # () float32, over all of the task's gradients, before clipping


def touches(task: TaskModel, users: Mapping[str, tuple[TableUser, ...]], path: tuple) -> bool:
    """Whether a step of the task reads or writes the leaf of the state that is at this key path."""
    field, *keys = [getattr(entry, "key", getattr(entry, "name", None)) for entry in path]
    table = task.word_embed.name
    partners = [user.task for user in users.get(table, ())]
    match field:
        case "params":
            return keys[0] in [part.name for part in task.parts.values()]
        case "opt_states":
            return keys[0] == task.name or (keys[0] in partners and is_of_table(path, table))
        case "step":
            return True
        case _:  # task_steps, synced
            return keys[0] == task.name or keys[0] in partners


def train_step(
    task: TaskModel,
    optimizer: optax.GradientTransformation,
    users: Mapping[str, tuple[TableUser, ...]],
    state: RunState,
    batch: Batch,
    key: jax.Array,
) -> tuple[RunState, StepMetrics]:
    """Updates the components of one task model; all others pass through.

    Of the word table only the rows of the batch are read and written.

    Args:
        task, optimizer: static.
        users: static; of the word tables that are trained, the task models that train them.
        state: of one run; what the step does not touch (``touches``) may be None.
        batch: of the task's training data.
        key: of the run; the step's own key is folded in from ``state.step``.
    """
    table = task.word_embed.name
    own_users = users.get(table, ())
    found = gathered(own_users, table, state, batch.words.table_rows)
    state, found, metrics = _update(task, optimizer, own_users, state, found, batch, key)
    return scattered(own_users, table, state, found), metrics


def train_steps_in_turn(
    task: TaskModel,
    optimizer: optax.GradientTransformation,
    users: Mapping[str, tuple[TableUser, ...]],
    states: RunState,
    batch: Batch,
    keys: jax.Array,
) -> tuple[RunState, StepMetrics]:
    """``train_step`` of R runs, one after the other, as one program.

    Word tables are read and written for all runs at once, where they are: a run's turn copies what it takes.

    Args:
        task, optimizer, users: as there.
        states, keys: with a leading axis R.
        batch: with a leading axis R, but for ``step_starts``.
    """
    table = task.word_embed.name
    own_users = users.get(table, ())
    found = jax.vmap(partial(gathered, own_users, table))(states, batch.words.table_rows)
    by_row = lambda path: path[0].name == "synced" or is_of_table(path, table)
    nothing = jnp.zeros(len(states.step))
    small = jax.tree.map_with_path(lambda path, leaf: nothing if by_row(path) else leaf, states)
    step_starts = batch.sentences.step_starts
    mapped = batch._replace(sentences=batch.sentences._replace(step_starts=None))

    def turn(own):
        state, found, batch, key = own
        batch = batch._replace(sentences=batch.sentences._replace(step_starts=step_starts))
        return _update(task, optimizer, own_users, state, found, batch, key)

    small, found, metrics = jax.lax.map(turn, (small, found, mapped, keys))
    states = jax.tree.map_with_path(
        lambda path, leaf, before: before if by_row(path) else leaf, small, states
    )
    return jax.vmap(partial(scattered, own_users, table))(states, found), metrics


def _update(
    task: TaskModel,
    optimizer: optax.GradientTransformation,
    own_users: tuple[TableUser, ...],
    state: RunState,
    found: Gathered,
    batch: Batch,
    key: jax.Array,
) -> tuple[RunState, Gathered, StepMetrics]:
    """The step on rows of the word table that are gathered; the table itself is not looked at."""
    table = task.word_embed.name
    # The model sees the batch's rows as the whole table.
    rows = jnp.arange(len(batch.words.table_rows))
    batch = batch._replace(words=batch.words._replace(table_rows=rows))
    own = {**task.own(state.params), table: {"table": found.rows}}
    opt_state = state.opt_states[task.name]
    if own_users:
        opt_state = with_momentum(opt_state, table, found.momenta[task.name])
    step_key = jax.random.fold_in(key, state.step)

    def loss_of(params: Params) -> jax.Array:
        if not own_users:  # frozen
            params = {**params, table: jax.lax.stop_gradient(params[table])}
        return batch_loss(task, params, batch, step_key)

    loss, gradients = jax.value_and_grad(loss_of)(own)
    updates, opt_state = optimizer.update(gradients, opt_state, own)
    applied: Params = optax.apply_updates(own, updates)  # type: ignore[assignment]
    rows = applied.pop(table)["table"]
    if own_users:
        found = found._replace(rows=rows, momenta={**found.momenta, task.name: momentum_of(opt_state, table)})
        opt_state = with_momentum(opt_state, table, momentum_of(state.opt_states[task.name], table))
    state = state._replace(
        params={**state.params, **applied},
        opt_states={**state.opt_states, task.name: opt_state},
        step=state.step + 1,
        task_steps={**state.task_steps, task.name: state.task_steps[task.name] + 1},
    )
    return state, found, StepMetrics(loss, optax.tree.norm(gradients))
