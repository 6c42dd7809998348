"""Word tables updated by the row: what touching every row at every step gives."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from reference_step import dense_momentum

from mlmt_jax.training.state import RunState
from mlmt_jax.training.word_rows import (
    WordRows,
    catch_up,
    current_params,
    gather,
    replace_momentum,
    scatter,
    table_momentum,
    table_rows,
    table_user,
    with_table_rows,
)

ROWS, WIDTH, PLACES = 23, 3, 6


class User(NamedTuple):
    momentum: float
    rate: float
    log_decay: float


def padded(rows: np.ndarray) -> np.ndarray:
    """Return rows as in ``DistinctWords.table_rows``."""
    return np.pad(rows, (0, PLACES - len(rows))).astype(np.int32)


def make_state(table: np.ndarray, names: str) -> RunState:
    params = {"words": {"table": jnp.asarray(table)}}
    return RunState(
        params,
        {name: optax.sgd(1.0, momentum=0.5).init(params) for name in names},
        jnp.int32(0),
        {name: jnp.int32(0) for name in names},
        {name: jnp.zeros(ROWS, jnp.int32) for name in names},
    )


@pytest.mark.parametrize("decay", [(0.5, 200), (1.0, 1), (0.9, 10_000)])
@pytest.mark.parametrize("momentum", [0.9, 0.0, 0.99])
def test_thousands_of_steps_of_two_tasks_equal_dense_sgd(decay, momentum):
    users = [User(momentum, 0.02, math.log(decay[0]) / decay[1]), User(0.8, 0.05, math.log(0.7) / 300)]
    names, table_users = "ab", [table_user(*user) for user in users]
    random = np.random.default_rng(1)
    table = random.normal(size=(ROWS, WIDTH)).astype(np.float32)
    state, dense = make_state(table, names), []

    def step(number: int, state: RunState, indices: np.ndarray, slopes: jax.Array) -> RunState:
        user, name = users[number], names[number]
        whole = table_rows(state, "words", names)
        rows = catch_up(gather(whole, indices), table_users, list(state.task_steps.values()))
        moved = user.momentum * rows.momenta[number] + slopes
        rate = user.rate * jnp.exp(user.log_decay * state.task_steps[name])
        state = state._replace(task_steps={**state.task_steps, name: state.task_steps[name] + 1})
        momenta = [moved if i == number else rows.momenta[i] for i in range(2)]
        synced = [jnp.full(PLACES, steps) for steps in state.task_steps.values()]
        rows = WordRows(rows.values - rate * moved, momenta, synced)
        return with_table_rows(state, "words", names, scatter(whole, indices, rows))

    steps = [jax.jit(lambda *args, i=i: step(i, *args)) for i in range(2)]
    done = [0, 0]
    for _ in range(2500):
        number = int(random.random() < 0.3)
        # Rows 0 to 9 often, the others hardly ever, the last five never: they must stay where they are.
        often = random.random() < 0.97
        possible = 10 if often else ROWS - 5
        rows = np.sort(random.choice(possible, random.integers(0, PLACES + 1), replace=False))
        slopes = random.normal(size=(PLACES, WIDTH)).astype(np.float32)
        slopes[len(rows) :] = 0
        state = steps[number](state, padded(rows), slopes)
        whole = np.zeros((ROWS, WIDTH))
        whole[rows] = slopes[: len(rows)]
        user = users[number]
        rate = user.rate * math.exp(user.log_decay * done[number])
        dense.append((number, whole, rate, user.momentum))
        done[number] += 1
    expected = dense_momentum(table, dense, 2)
    by_name = dict(zip(names, table_users, strict=True))
    updated_table = np.asarray(current_params({"words": by_name}, state)["words"]["table"])
    np.testing.assert_allclose(updated_table, expected, 1e-5, 1e-5)
    np.testing.assert_array_equal(updated_table[-5:], table[-5:])
    # Something was owed: the state's own table is behind.
    assert momentum == 0.0 or np.abs(np.asarray(state.params["words"]["table"]) - expected).max() > 1e-3


@pytest.mark.parametrize("indices", [[3, 8], [0, 8]])
def test_padding_rows_are_not_written(indices: list[int]):
    table = np.arange(ROWS * WIDTH, dtype=np.float32).reshape(ROWS, WIDTH)
    whole = table_rows(make_state(table, "a"), "words", "a")
    places = padded(np.array(indices, int))
    gathered = gather(whole, places)
    np.testing.assert_array_equal(gathered.values, table[places])
    new = scatter(whole, places, jax.tree.map(lambda rows: rows * 0 - 1, gathered))
    for array, before in zip(jax.tree.leaves(new), jax.tree.leaves(whole), strict=True):
        changed = (np.asarray(array) != np.asarray(before)).reshape(ROWS, -1)
        assert np.flatnonzero(changed.all(1)).tolist() == indices == np.flatnonzero(changed.any(1)).tolist()


def test_the_momentum_of_one_table_is_read_and_replaced():
    params = {"words": {"table": jnp.ones((4, 2))}, "other": {"table": jnp.zeros((3, 2))}}
    opt_state = optax.sgd(0.1, momentum=0.9).init(params)
    new = replace_momentum(opt_state, "words", jnp.full((2, 2), 7.0))
    np.testing.assert_array_equal(table_momentum(new, "words"), np.full((2, 2), 7.0))
    np.testing.assert_array_equal(table_momentum(new, "other"), np.zeros((3, 2)))
