"""SGD with momentum on word tables, in time that does not grow with the vocabulary.

A row that no batch contains still moves: its momentum v decays, and displaces it. After s steps of the
optimizer and k more without a gradient

    w -= v * sum_(j = 1..k) rate(s + j - 1) m^j        v *= m^k        rate(s) = rate_0 d^s

which is a geometric sum. So a row is not updated until a batch contains it, and then catches up for each task
model that trains the table. The result is exactly that of updating every row at every step.
"""

import math
from collections.abc import Container, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mlmt_jax.config import Config
from mlmt_jax.training.state import RunState
from mlmt_jax.types import Array, Params


class TableUser(NamedTuple):
    """A task model that trains a word table. Hashable: a static argument of jit."""

    task: str
    momentum: float
    learning_rate: float  # at the task model's first step
    log_decay: float  # log of the learning rate's factor per step

    def pending_update(self, since: jax.Array, now: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the pending update of rows that were not in the batches of steps ``since`` to ``now`` - 1.

        Args:
            since: (k,) int32, the first of these steps for each row, counted over the task model's steps.
            now: () int32.

        Returns:
            (k,) float32, displacement / v to subtract; and (k,) float32, factor of v.
        """
        steps = (now - since).astype(jnp.float32)
        # Without momentum, v is gone after one step: a positive number has a logarithm.
        log_momentum = math.log(self.momentum or np.finfo(np.float32).tiny)
        log_ratio = log_momentum + self.log_decay
        total = jnp.expm1(steps * log_ratio) / math.expm1(log_ratio)
        rate = self.learning_rate * jnp.exp(since * self.log_decay)
        return rate * self.momentum * total, jnp.exp(steps * log_momentum)


def table_users(config: Config, trained_tasks: Container[str]) -> dict[str, tuple[TableUser, ...]]:
    """Return the users of each word table that is not frozen.

    Args:
        config: config of the run.
        trained_tasks: names of the task models that are ever trained; the others use no table.
    """
    users: dict[str, tuple[TableUser, ...]] = {}
    for task in config.tasks:
        table = config.component(task.model.word_embed)
        if getattr(table, "trainable", True):
            users.setdefault(table.name, ())
            if task.name in trained_tasks:
                log_decay = math.log(task.decay_rate) / task.decay_step
                users[table.name] += (TableUser(task.name, task.momentum, task.learning_rate, log_decay),)
    return users


class GatheredRows(NamedTuple):
    """The rows of a word table that a batch contains, up to date."""

    rows: jax.Array  # (U, d)
    momenta: dict[str, jax.Array]  # by task model, (U, d)
    targets: jax.Array  # (U,) int32, their rows in the table; beyond the table for padding


def gather_rows(users: tuple[TableUser, ...], table: str, state: RunState, table_rows: Array) -> GatheredRows:
    """Gather rows of a word table and apply the pending updates of all its users.

    Args:
        users: users of the table; static.
        table: name of the embedding component.
        state: state of one replica.
        table_rows: (U,) int32, as in ``DistinctWords``.
    """
    values = state.params[table]["table"]
    # Rows ascend: only the first can be row 0, every other 0 is padding.
    is_row = (jnp.arange(len(table_rows)) == 0) | (table_rows > 0)
    targets = jnp.where(is_row, table_rows, len(values))
    rows, momenta = values[table_rows], {}
    for user in users:
        momentum = table_momentum(state.opt_states[user.task], table)[table_rows]
        factor, decay = user.pending_update(state.synced[user.task][table_rows], state.task_steps[user.task])
        rows -= factor[:, None] * momentum
        momenta[user.task] = decay[:, None] * momentum
    return GatheredRows(rows, momenta, targets)


def scatter_rows(
    users: tuple[TableUser, ...], table: str, state: RunState, gathered: GatheredRows
) -> RunState:
    """Return the state with rows and momenta written to the table and marked as up to date.

    Args:
        users: users of the table; static. Without any, nothing is written.
        table: name of the embedding component.
        state: state of one replica, after a step but for the rows.
        gathered: the rows after the step.
    """
    if not users:
        return state
    put = lambda values, rows: values.at[gathered.targets].set(rows, mode="drop")
    opt_states, synced = dict(state.opt_states), dict(state.synced)
    for user in users:
        opt_state = opt_states[user.task]
        momentum = put(table_momentum(opt_state, table), gathered.momenta[user.task])
        opt_states[user.task] = replace_momentum(opt_state, table, momentum)
        synced[user.task] = put(synced[user.task], state.task_steps[user.task])
    params = {**state.params, table: {"table": put(state.params[table]["table"], gathered.rows)}}
    return state._replace(params=params, opt_states=opt_states, synced=synced)


def current_params(users: Mapping[str, tuple[TableUser, ...]], state: RunState) -> Params:
    """Return the parameters with the pending updates of all rows, for evaluation; the state is not changed.

    Args:
        users: users of each word table; static.
        state: state of one replica.
    """
    params = dict(state.params)
    for table, several in users.items():
        values = params[table]["table"]
        for user in several:
            factor, _ = user.pending_update(state.synced[user.task], state.task_steps[user.task])
            values -= factor[:, None] * table_momentum(state.opt_states[user.task], table)
        params[table] = {"table": values}
    return params


def is_table_path(path: tuple, table: str) -> bool:
    """Return True if a key path leads to this word table in parameters, or to its momentum."""
    return [getattr(entry, "key", None) for entry in path[-2:]] == [table, "table"]


def table_momentum(opt_state: optax.OptState, table: str) -> jax.Array:
    """Return the momentum of a word table in an optimizer state, (rows, d)."""
    leaves = jax.tree.leaves_with_path(opt_state)
    [momentum] = [leaf for path, leaf in leaves if is_table_path(path, table)]
    return momentum


def replace_momentum(opt_state: optax.OptState, table: str, momentum: jax.Array) -> optax.OptState:
    """Return the optimizer state with another momentum of a word table; its number of rows may differ."""
    replace = lambda path, leaf: momentum if is_table_path(path, table) else leaf
    return jax.tree.map_with_path(replace, opt_state)
