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


def user(name: str, momentum: float, rate: float, decay_rate: float, decay_step: int) -> TableUser:
    return TableUser(name, momentum, rate, math.log(decay_rate) / decay_step)


def state_of(table: np.ndarray, users: tuple[TableUser, ...]) -> RunState:
    params = {"words": {"table": jnp.asarray(table)}}
    return RunState(
        params,
        {own.task: optax.sgd(1.0, momentum=0.5).init(params) for own in users},
        jnp.int32(0),
        {own.task: jnp.int32(0) for own in users},
        {own.task: jnp.zeros(ROWS, jnp.int32) for own in users},
    )


@pytest.mark.parametrize("decay", [(0.5, 200), (1.0, 1), (0.9, 10_000)])
@pytest.mark.parametrize("momentum", [0.9, 0.0, 0.99])
def test_thousands_of_steps_of_two_tasks_are_those_of_dense_sgd(decay, momentum):
    users = user("a", momentum, 0.02, *decay), user("b", 0.8, 0.05, 0.7, 300)
    random = np.random.default_rng(1)
    table = random.normal(size=(ROWS, WIDTH)).astype(np.float32)
    state, dense = state_of(table, users), []

    def step(which: int, state: RunState, table_rows: np.ndarray, slopes: jax.Array) -> RunState:
        own = users[which]
        found = gather_rows(users, "words", state, table_rows)
        moved = own.momentum * found.momenta[own.task] + slopes
        rate = own.learning_rate * jnp.exp(own.log_decay * state.task_steps[own.task])
        found = found._replace(rows=found.rows - rate * moved, momenta={**found.momenta, own.task: moved})
        counted = {**state.task_steps, own.task: state.task_steps[own.task] + 1}
        return scatter_rows(users, "words", state._replace(task_steps=counted), found)

    steps = [jax.jit(lambda *args, i=i: step(i, *args)) for i in range(2)]
    done = [0, 0]
    for _ in range(2500):
        which = int(random.random() < 0.3)
        # Rows 0 to 9 often, the others hardly ever, the last five never: they must stay where they are.
        often = random.random() < 0.97
        possible = 10 if often else ROWS - 5
        rows = np.sort(random.choice(possible, random.integers(0, PLACES + 1), replace=False))
        slopes = random.normal(size=(PLACES, WIDTH)).astype(np.float32)
        slopes[len(rows) :] = 0
        state = steps[which](state, padded(rows), slopes)
        whole = np.zeros((ROWS, WIDTH))
        whole[rows] = slopes[: len(rows)]
        own = users[which]
        rate = own.learning_rate * math.exp(own.log_decay * done[which])
        dense.append((which, whole, rate, own.momentum))
        done[which] += 1
    wanted = dense_momentum(table, dense, 2)
    found = np.asarray(current_params({"words": users}, state)["words"]["table"])
    np.testing.assert_allclose(found, wanted, 1e-5, 1e-5)
    np.testing.assert_array_equal(found[-5:], table[-5:])
    # Something was owed: the state's own table is behind.
    assert momentum == 0.0 or np.abs(np.asarray(state.params["words"]["table"]) - wanted).max() > 1e-3


def test_rows_that_only_fill_up_are_not_written():
    users = (user("a", 0.9, 0.1, 1.0, 1),)
    state = state_of(np.arange(ROWS * WIDTH, dtype=np.float32).reshape(ROWS, WIDTH), users)
    found = gather_rows(users, "words", state, padded(np.array([3, 8])))
    np.testing.assert_array_equal(found.targets, [3, 8, *[ROWS] * (PLACES - 2)])
    new = scatter_rows(users, "words", state, found._replace(rows=found.rows * 0 - 1))
    changed = np.asarray(new.params["words"]["table"]) != np.asarray(state.params["words"]["table"])
    assert np.flatnonzero(changed.all(1)).tolist() == [3, 8] == np.flatnonzero(changed.any(1)).tolist()
    found = gather_rows(users, "words", state, padded(np.array([0, 8])))
    np.testing.assert_array_equal(found.targets, [0, 8, *[ROWS] * (PLACES - 2)])


def test_the_momentum_of_one_table_is_found_among_others():
    params = {"words": {"table": jnp.ones((4, 2))}, "other": {"table": jnp.zeros((3, 2))}}
    opt_state = optax.sgd(0.1, momentum=0.9).init(params)
    new = replace_momentum(opt_state, "words", jnp.full((2, 2), 7.0))
    np.testing.assert_array_equal(table_momentum(new, "words"), np.full((2, 2), 7.0))
    np.testing.assert_array_equal(table_momentum(new, "other"), np.zeros((3, 2)))
