"""SGD with momentum on word tables, in time that does not grow with the vocabulary.

A row that no batch touches still moves: its momentum v decays, and carries it on. After s steps of the
optimizer and k more without a gradient

    w -= v * sum_(j = 1..k) rate(s + j - 1) m^j        v *= m^k        rate(s) = rate_0 d^s

which is a geometric sum. So a row is left alone until it is read, and then owes that move, for each task
model that trains the table: exactly what touching every row at every step gives.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mlmt_jax.config import Config, TaskConfig
from mlmt_jax.training.state import RunState
from mlmt_jax.types import Array, Params

__all__ = [
    "Gathered",
    "TableUser",
    "gathered",
    "is_of_table",
    "momentum_of",
    "scattered",
    "table_users",
    "up_to_date",
    "with_momentum",
]


class TableUser(NamedTuple):
    """How a task model trains its word table. Hashable: a static argument of jit."""

    task: str
    momentum: float
    learning_rate: float  # at the task's first step
    log_decay: float  # of the learning rate, a step

    def owed(self, since: jax.Array, now: jax.Array) -> tuple[jax.Array, jax.Array]:
        """What rows owe that the task's step ``since`` was the first not to touch: (move / v, decay of v)."""
        steps = (now - since).astype(jnp.float32)
        # A momentum of 0 is one that has gone after a step.
        log_momentum = math.log(self.momentum or np.finfo(np.float32).tiny)
        log_ratio = log_momentum + self.log_decay
        total = jnp.expm1(steps * log_ratio) / math.expm1(log_ratio)
        rate = self.learning_rate * jnp.exp(since * self.log_decay)
        return rate * self.momentum * total, jnp.exp(steps * log_momentum)


def table_users(config: Config, drawn: Mapping[str, object]) -> dict[str, tuple[TableUser, ...]]:
    """By word table that is trained: the task models, of those that are ever drawn, that train it."""
    users: dict[str, tuple[TableUser, ...]] = {}
    for task in config.tasks:
        table = config.component(task.model.word_embed)
        if getattr(table, "trainable", True):
            users.setdefault(table.name, ())
            if task.name in drawn:
                users[table.name] += (_user(task),)
    return users


def _user(task: TaskConfig) -> TableUser:
    return TableUser(
        task.name, task.momentum, task.learning_rate, math.log(task.decay_rate) / task.decay_step
    )


class Gathered(NamedTuple):
    """The rows that a batch reads, brought up to date."""

    rows: jax.Array  # (U, d)
    momenta: dict[str, jax.Array]  # by task model, (U, d)
    targets: jax.Array  # (U,) int32, where they belong; beyond the table where they only fill up


def gathered(users: tuple[TableUser, ...], table: str, state: RunState, table_rows: Array) -> Gathered:
    """The given rows of a table (``DistinctWords``), with what they owe to each of its users paid."""
    whole = state.params[table]["table"]
    place = jnp.arange(len(table_rows))
    # Rows ascend: only the first can be row 0, every other 0 fills up.
    targets = jnp.where((place == 0) | (table_rows > 0), table_rows, len(whole))
    rows, momenta = whole[table_rows], {}
    for user in users:
        momentum = momentum_of(state.opt_states[user.task], table)[table_rows]
        move, decay = user.owed(state.synced[user.task][table_rows], state.task_steps[user.task])
        rows -= move[:, None] * momentum
        momenta[user.task] = decay[:, None] * momentum
    return Gathered(rows, momenta, targets)


def scattered(users: tuple[TableUser, ...], table: str, state: RunState, found: Gathered) -> RunState:
    """The state with rows and momenta back in their places, marked as up to date."""
    if not users:
        return state
    put = lambda whole, values: whole.at[found.targets].set(values, mode="drop")
    opt_states, synced = dict(state.opt_states), dict(state.synced)
    for user in users:
        opt_state = opt_states[user.task]
        momentum = put(momentum_of(opt_state, table), found.momenta[user.task])
        opt_states[user.task] = with_momentum(opt_state, table, momentum)
        synced[user.task] = put(synced[user.task], state.task_steps[user.task])
    params = {**state.params, table: {"table": put(state.params[table]["table"], found.rows)}}
    return state._replace(params=params, opt_states=opt_states, synced=synced)


def up_to_date(users: Mapping[str, tuple[TableUser, ...]], state: RunState) -> Params:
    """The parameters with every row's debts paid: what is evaluated and kept. The state stays as it is."""
    params = dict(state.params)
    for table, own in users.items():
        whole = params[table]["table"]
        for user in own:
            move, _ = user.owed(state.synced[user.task], state.task_steps[user.task])
            whole -= move[:, None] * momentum_of(state.opt_states[user.task], table)
        params[table] = {"table": whole}
    return params


def is_of_table(path: tuple, table: str) -> bool:
    """Whether a key path leads to this table, in parameters, or its momentum, in an optimizer state."""
    return [getattr(entry, "key", None) for entry in path[-2:]] == [table, "table"]


def momentum_of(opt_state: optax.OptState, table: str) -> jax.Array:
    """The momentum of a table in an optimizer state: as many rows of it as the state has."""
    [found] = [leaf for path, leaf in jax.tree.leaves_with_path(opt_state) if is_of_table(path, table)]
    return found


def with_momentum(opt_state: optax.OptState, table: str, momentum: jax.Array) -> optax.OptState:
    """The optimizer state with another momentum of the table: of some of its rows, or of all."""
    return jax.tree.map_with_path(
        lambda path, leaf: momentum if is_of_table(path, table) else leaf, opt_state
    )
