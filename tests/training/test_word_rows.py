"""Word tables updated by the row: what touching every row at every step gives."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from reference_step import dense_momentum

from mlmt_jax.training.state import RunState
from mlmt_jax.training.word_rows import (
    TableUser,
    current_params,
    gather_rows,
    replace_momentum,
    scatter_rows,
    table_momentum,
)

ROWS, WIDTH, PLACES = 23, 3, 6


def padded(rows: np.ndarray) -> np.ndarray:
    """Return rows as in ``DistinctWords.table_rows``."""
    return np.pad(rows, (0, PLACES - len(rows))).astype(np.int32)


def make_user(name: str, momentum: float, rate: float, decay_rate: float, decay_step: int) -> TableUser:
    return TableUser(name, momentum, rate, math.log(decay_rate) / decay_step)


def make_state(table: np.ndarray, users: tuple[TableUser, ...]) -> RunState:
    params = {"words": {"table": jnp.asarray(table)}}
    return RunState(
        params,
        {user.task: optax.sgd(1.0, momentum=0.5).init(params) for user in users},
        jnp.int32(0),
        {user.task: jnp.int32(0) for user in users},
        {user.task: jnp.zeros(ROWS, jnp.int32) for user in users},
    )


@pytest.mark.parametrize("decay", [(0.5, 200), (1.0, 1), (0.9, 10_000)])
@pytest.mark.parametrize("momentum", [0.9, 0.0, 0.99])
def test_thousands_of_steps_of_two_tasks_equal_dense_sgd(decay, momentum):
    users = make_user("a", momentum, 0.02, *decay), make_user("b", 0.8, 0.05, 0.7, 300)
    random = np.random.default_rng(1)
    table = random.normal(size=(ROWS, WIDTH)).astype(np.float32)
    state, dense = make_state(table, users), []

    def step(number: int, state: RunState, table_rows: np.ndarray, slopes: jax.Array) -> RunState:
        user = users[number]
        gathered = gather_rows(users, "words", state, table_rows)
        moved = user.momentum * gathered.momenta[user.task] + slopes
        rate = user.learning_rate * jnp.exp(user.log_decay * state.task_steps[user.task])
        gathered = gathered._replace(
            rows=gathered.rows - rate * moved, momenta={**gathered.momenta, user.task: moved}
        )
        counted = {**state.task_steps, user.task: state.task_steps[user.task] + 1}
        return scatter_rows(users, "words", state._replace(task_steps=counted), gathered)

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
        rate = user.learning_rate * math.exp(user.log_decay * done[number])
        dense.append((number, whole, rate, user.momentum))
        done[number] += 1
    expected = dense_momentum(table, dense, 2)
    updated_table = np.asarray(current_params({"words": users}, state)["words"]["table"])
    np.testing.assert_allclose(updated_table, expected, 1e-5, 1e-5)
    np.testing.assert_array_equal(updated_table[-5:], table[-5:])
    # Something was owed: the state's own table is behind.
    assert momentum == 0.0 or np.abs(np.asarray(state.params["words"]["table"]) - expected).max() > 1e-3


def test_padding_rows_are_not_written():
    users = (make_user("a", 0.9, 0.1, 1.0, 1),)
    state = make_state(np.arange(ROWS * WIDTH, dtype=np.float32).reshape(ROWS, WIDTH), users)
    gathered = gather_rows(users, "words", state, padded(np.array([3, 8])))
    np.testing.assert_array_equal(gathered.targets, [3, 8, *[ROWS] * (PLACES - 2)])
    new = scatter_rows(users, "words", state, gathered._replace(rows=gathered.rows * 0 - 1))
    changed = np.asarray(new.params["words"]["table"]) != np.asarray(state.params["words"]["table"])
    assert np.flatnonzero(changed.all(1)).tolist() == [3, 8] == np.flatnonzero(changed.any(1)).tolist()
    gathered = gather_rows(users, "words", state, padded(np.array([0, 8])))
    np.testing.assert_array_equal(gathered.targets, [0, 8, *[ROWS] * (PLACES - 2)])


def test_the_momentum_of_one_table_is_read_and_replaced():
    params = {"words": {"table": jnp.ones((4, 2))}, "other": {"table": jnp.zeros((3, 2))}}
    opt_state = optax.sgd(0.1, momentum=0.9).init(params)
    new = replace_momentum(opt_state, "words", jnp.full((2, 2), 7.0))
    np.testing.assert_array_equal(table_momentum(new, "words"), np.full((2, 2), 7.0))
    np.testing.assert_array_equal(table_momentum(new, "other"), np.zeros((3, 2)))
