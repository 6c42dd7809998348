"""The state of a run between two steps."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from mlmt_jax.model.build import Model
from mlmt_jax.types import Params


class History(NamedTuple):
    """The steps of a task model at the last L updates of the average (``averaging``), the latest first."""

    steps: Any  # (L,) int32, its steps at each update
    sums: Any  # (L,) float32, S_u of each update: the weighted powers of its momentum at later updates


class Average(NamedTuple):
    """The moving average of the parameters."""

    params: Params  # word tables as far as ``row_updates``; zeros before the first update
    row_updates: dict[str, Any]  # by word table that is trained, (rows,) int32, updates applied to each row
    histories: dict[str, History]  # by task model that trains a word table


class RunState(NamedTuple):
    """The state of one replica between two steps; R replicas are one state with a leading axis R."""

    params: Params  # {component name: subtree}
    opt_states: dict[str, optax.OptState]  # by task model: momenta of its components, its step count
    step: jax.Array  # () int32, steps of all task models
    task_steps: dict[str, jax.Array]  # by task model, () int32, its steps
    # By task model, (rows of its table,) int32, its steps that are applied to each row (``word_rows``).
    synced: dict[str, jax.Array]
    average: Average | None = None  # None if the parameters are not averaged


def init_state(
    model: Model, params: Params, optimizers: Mapping[str, optax.GradientTransformation]
) -> RunState:
    """Return the state before the first step, without an average.

    Args:
        model: the task models.
        params: initial parameters.
        optimizers: by task model.
    """
    opt_states = {
        name: optimizer.init(model.tasks[name].select(params)) for name, optimizer in optimizers.items()
    }
    task_steps = {name: jnp.int32(0) for name in optimizers}
    synced = {
        name: jnp.zeros(len(params[model.tasks[name].word_embed.name]["table"]), jnp.int32)
        for name in optimizers
    }
    return RunState(params, opt_states, jnp.int32(0), task_steps, synced)
