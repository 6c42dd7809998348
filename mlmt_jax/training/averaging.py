"""The moving average of the parameters, in time that does not grow with the vocabulary.

Every ``AVERAGE_INTERVAL`` steps, at the k-th update,

    average += s (params - average)        s = (1 - d) / (1 - d^k)        d = 1 - interval / window

so that the average is a weighted mean of all k parameters, with weights that fall by d for each update. A
row of a word table that no batch contains still moves by its momenta (``word_rows``): with its last step at
s_u, user u has displaced it at update j by

    c_u v_u (1 - r_u^(t_u(j) - s_u))        c_u = rate_u(s_u) m_u / (1 - r_u)        r_u = m_u d_u

where t_u(j) are the steps of u at update j. Its average is updated when a batch contains the row: the
weighted sum of these powers since the row's update k is r_u^(t_u(k + 1) - s_u) (d^(K - k - 1) + S_u(k + 1)),
and the sums S_u(k) = sum_(j = k + 1..K) d^(K - j) r_u^(t_u(j) - t_u(k)) are the same for all rows. The result
is that of averaging all rows at every update.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mlmt_jax.config import AVERAGE_INTERVAL
from mlmt_jax.training.state import Average, History
from mlmt_jax.training.word_rows import TableUser, WordRows, catch_up
from mlmt_jax.types import Params

_NEGLIGIBLE = 16.0  # -log of the weight of updates that no history has to cover


def log_decay(window: int) -> float:
    """Return log d for a window in steps; for one of a single interval, that of a tiny number."""
    return math.log(max(1 - AVERAGE_INTERVAL / window, 1e-38))


def init_average(params: Params, users: Mapping[str, Mapping[str, TableUser]], window: int) -> Average:
    """Return the average before the first update: zeros, which the first update replaces.

    Args:
        params: parameters, without the word tables that are not trained.
        users: users of each word table that is trained, by task model.
        window: of the average, in steps.
    """
    updates = math.ceil(_NEGLIGIBLE / -log_decay(window))
    length = 1 << max(updates, 1).bit_length()
    tasks = {task for of_table in users.values() for task in of_table}
    history = History(jnp.zeros(length, jnp.int32), jnp.zeros(length, jnp.float32))
    return Average(
        jax.tree.map(jnp.zeros_like, params),
        {table: jnp.zeros(len(params[table]["table"]), jnp.int32) for table in users},
        dict.fromkeys(sorted(tasks), history),
    )


class Pending(NamedTuple):
    """The updates up to which the average of word rows catches up."""

    log_decay: Any  # () float32, log d
    step: Any  # () int32, steps of all task models until now
    histories: Any  # ``History`` of each user of the table


def catch_up_average(rows: WordRows, users: Sequence[TableUser], pending: Pending) -> Any:
    """Return the up-to-date average of rows, (k, d).

    Args:
        rows: whole tables or gathered rows, whose values and momenta have not caught up yet.
        users: users in the order of ``rows.momenta``.
        pending: the updates.
    """
    updates = pending.step // AVERAGE_INTERVAL
    count = updates - rows.updates  # (k,) pending updates of each row
    weight = -jnp.expm1(count * pending.log_decay)  # of these, before all are divided by their total
    sums = weight[:, None] * rows.values
    for user, momentum, synced, history in zip(
        users, rows.momenta, rows.synced, pending.histories, strict=True
    ):
        age = jnp.clip(count - 1, 0, len(history.steps) - 1)
        steps = (history.steps[age] - synced).astype(jnp.float32)
        total = jnp.exp(steps * user.log_ratio) * (jnp.exp(age * pending.log_decay) + history.sums[age])
        displacement = user.limit(synced) * (weight + jnp.expm1(pending.log_decay) * total)
        sums = sums - displacement[:, None] * momentum
    before = -jnp.expm1(rows.updates * pending.log_decay) * jnp.exp(count * pending.log_decay)
    average = (before[:, None] * rows.average + sums) / -jnp.expm1(updates * pending.log_decay)
    return jnp.where(count[:, None] > 0, average, rows.average)


def catch_up_all(rows: WordRows, settings: tuple[Sequence[TableUser], Any], progress: tuple) -> WordRows:
    """Return a whole table with all pending updates applied, those of its average too.

    Args:
        rows: the table.
        settings: its users, and log d; None if there is no average.
        progress: steps of each user, steps of all task models, and histories of the users; None likewise.
    """
    (users, decay), (task_steps, step, histories) = settings, progress
    average = None
    if rows.average is not None:
        average = catch_up_average(rows, users, Pending(decay, step, histories))
    return catch_up(rows, users, task_steps)._replace(average=average)


class Update(NamedTuple):
    """The numbers of an update."""

    log_decay: Any  # () float32
    step: Any  # () int32, steps of all task models
    task_steps: Any  # by task model with a history, () int32
    log_ratios: Any  # by task model with a history, () float32: ``TableUser.log_ratio``


def update_average(
    average: Params, histories: Mapping[str, History], params: Params, update: Update
) -> tuple[Params, dict[str, History]]:
    """Update the average of all components but the word tables, and the histories.

    Args:
        average: the average of these components.
        histories: by task model.
        params: their parameters.
        update: the numbers; ``step`` is a multiple of the interval.
    """
    number = (update.step // AVERAGE_INTERVAL).astype(jnp.float32)
    share = jnp.expm1(update.log_decay) / jnp.expm1(number * update.log_decay)
    average = jax.tree.map(lambda mean, new: (1 - share) * mean + share * new, average, params)
    new_histories = {}
    for task, history in histories.items():
        now = update.task_steps[task]
        powers = jnp.exp((now - history.steps) * update.log_ratios[task])
        sums = jnp.exp(update.log_decay) * history.sums + powers
        new_histories[task] = History(
            jnp.concatenate([now[None], history.steps[:-1]]), jnp.concatenate([jnp.zeros(1), sums[:-1]])
        )
    return average, new_histories
