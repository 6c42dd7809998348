"""SGD with momentum on word tables, in time that does not grow with the vocabulary.

A row that no batch contains still moves: its momentum v decays, and displaces it. After s steps of the
optimizer and k more without a gradient

    w -= v * sum_(j = 1..k) rate(s + j - 1) m^j        v *= m^k        rate(s) = rate_0 d^s

which is a geometric sum. So a row is not updated until a batch contains it, and then catches up for each task
model that trains the table. The result is exactly that of updating every row at every step.
"""

import math
from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mlmt_jax.config import Config
from mlmt_jax.training.state import Average, RunState
from mlmt_jax.types import Array, Params


class TableUser(NamedTuple):
    """A task model that trains a word table, with its optimizer's numbers as () float32."""

    learning_rate: Any  # at the task model's first step
    log_decay: Any  # log of the learning rate's factor per step
    momentum: Any
    log_momentum: Any  # without momentum, that of a tiny number: v is gone after one step

    @property
    def log_ratio(self) -> Any:
        """Log of the factor of a displacement, from a step without a gradient to the next."""
        return self.log_momentum + self.log_decay

    def limit(self, since: Array) -> jax.Array:
        """Return displacement / v, (k,) float32, of rows that are in no batch from step ``since`` (k,) on."""
        rate = self.learning_rate * jnp.exp(since * self.log_decay)
        return -rate * self.momentum / jnp.expm1(self.log_ratio)

    def pending_update(self, since: Array, now: Array) -> tuple[jax.Array, jax.Array]:
        """Return the pending update of rows that were not in the batches of steps ``since`` to ``now`` - 1.

        Args:
            since: (k,) int32, the first of these steps for each row, counted over the task model's steps.
            now: () int32.

        Returns:
            (k,) float32, displacement / v to subtract; and (k,) float32, factor of v.
        """
        steps = (now - since).astype(jnp.float32)
        total = jnp.expm1(steps * self.log_ratio) / jnp.expm1(self.log_ratio)
        rate = self.learning_rate * jnp.exp(since * self.log_decay)
        return rate * self.momentum * total, jnp.exp(steps * self.log_momentum)


def table_user(momentum: float, learning_rate: float, log_decay: float) -> TableUser:
    """Return a user from its momentum, first learning rate, and log of the rate's factor per step."""
    log_momentum = math.log(momentum or np.finfo(np.float32).tiny)
    with np.errstate(over="ignore"):  # a run with such a rate diverges, and says so
        return TableUser(*map(np.float32, (learning_rate, log_decay, momentum, log_momentum)))


def table_users(config: Config, trained_tasks: Container[str]) -> dict[str, dict[str, TableUser]]:
    """Return the users of each word table that is not frozen, by table and task model.

    Args:
        config: config of the run.
        trained_tasks: names of the task models that are ever trained; the others use no table.
    """
    users: dict[str, dict[str, TableUser]] = {}
    for task in config.tasks:
        table = config.component(task.model.word_embed)
        if getattr(table, "trainable", True):
            of_table = users.setdefault(table.name, {})
            if task.name in trained_tasks:
                log_decay = math.log(task.decay_rate) / task.decay_step
                of_table[task.name] = table_user(task.momentum, task.learning_rate, log_decay)
    return users


class WordRows(NamedTuple):
    """Rows of a word table and what its users keep for each: whole tables, or the rows of a batch."""

    values: Any  # (rows, d) float32
    momenta: list[Any]  # by user, (rows, d) float32
    synced: list[Any]  # by user, (rows,) int32, its steps that are applied to each row
    average: Any = None  # (rows, d) float32, the moving average; None if there is none
    updates: Any = None  # (rows,) int32, updates of the average that are applied to each row


def table_rows(state: RunState, table: str, users: Sequence[str]) -> WordRows:
    """Return the whole table with momenta and synced steps of its users, in the given order."""
    return WordRows(
        state.params[table]["table"],
        [table_momentum(state.opt_states[user], table) for user in users],
        [state.synced[user] for user in users],
        *_averaged_rows(state.average, table),
    )


def _averaged_rows(average: Average | None, table: str) -> tuple[Any, Any]:
    """Return the average of a word table and the updates of its rows; None for a table without."""
    if average is None or table not in average.row_updates:
        return None, None
    return average.params[table]["table"], average.row_updates[table]


def with_table_rows(state: RunState, table: str, users: Sequence[str], rows: WordRows) -> RunState:
    """Return the state with another table, momenta and synced steps: the inverse of ``table_rows``."""
    opt_states = {
        user: replace_momentum(state.opt_states[user], table, momentum)
        for user, momentum in zip(users, rows.momenta, strict=True)
    }
    average = state.average
    if average is not None and rows.average is not None:
        average = average._replace(
            params={**average.params, table: {"table": rows.average}},
            row_updates={**average.row_updates, table: rows.updates},
        )
    return state._replace(
        average=average,
        params={**state.params, table: {"table": rows.values}},
        opt_states={**state.opt_states, **opt_states},
        synced={**state.synced, **dict(zip(users, rows.synced, strict=True))},
    )


def gather(rows: WordRows, indices: Array) -> WordRows:
    """Gather rows of whole tables; ``indices`` (U,) int32 as ``DistinctWords.table_rows``."""
    return jax.tree.map(lambda array: array[indices], rows)


def scatter(rows: WordRows, indices: Array, gathered: WordRows) -> WordRows:
    """Return whole tables with rows replaced by gathered ones; those of padding are dropped."""
    # Rows ascend: only the first can be row 0, every other 0 is padding.
    is_row = (jnp.arange(len(indices)) == 0) | (indices > 0)
    targets = jnp.where(is_row, indices, len(rows.values))
    return jax.tree.map(lambda array, new: array.at[targets].set(new, mode="drop"), rows, gathered)


def catch_up(rows: WordRows, users: Sequence[TableUser], steps: Sequence[Array]) -> WordRows:
    """Apply the pending updates of all users; ``synced`` and the average stay as they are.

    Args:
        rows: whole tables or gathered rows.
        users: users in the order of ``rows.momenta``.
        steps: () int32, steps of each user.
    """
    values, momenta = rows.values, []
    for user, momentum, synced, now in zip(users, rows.momenta, rows.synced, steps, strict=True):
        factor, decay = user.pending_update(synced, now)
        values = values - factor[:, None] * momentum
        momenta.append(decay[:, None] * momentum)
    return rows._replace(values=values, momenta=momenta)


def current_params(users: Mapping[str, Mapping[str, TableUser]], state: RunState) -> Params:
    """Return the parameters with the pending updates of all rows, for evaluation; the state is not changed.

    Args:
        users: users of each word table, by table, then by task model.
        state: state of one replica, as JAX arrays.
    """
    params = dict(state.params)
    for table, of_table in users.items():
        steps = [state.task_steps[user] for user in of_table]
        rows = catch_up(table_rows(state, table, list(of_table)), list(of_table.values()), steps)
        params[table] = {"table": rows.values}
    return params


def is_table_path(path: tuple, table: str) -> bool:
    """Return True if a key path leads to this word table in parameters, or to its momentum."""
    return [getattr(entry, "key", None) for entry in path[-2:]] == [table, "table"]


def table_momentum(opt_state: optax.OptState, table: str) -> jax.Array:
    """Return the momentum of a word table in an optimizer state, (rows, d)."""
    leaves = jax.tree.leaves_with_path(opt_state)
    [momentum] = [leaf for path, leaf in leaves if is_table_path(path, table)]
    return momentum


def replace_momentum(opt_state: optax.OptState, table: str, momentum: Any) -> optax.OptState:
    """Return the optimizer state with another momentum of a word table, None for none; rows may differ."""
    replace = lambda path, leaf: momentum if is_table_path(path, table) else leaf
    return jax.tree.map_with_path(replace, opt_state, is_leaf=lambda node: node is None)
