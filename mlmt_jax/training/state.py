"""The state of a run between two steps."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from mlmt_jax.model.build import Model
from mlmt_jax.types import Params


class RunState(NamedTuple):
    """The state of one replica between two steps; R replicas are one state with a leading axis R."""

    params: Params  # {component name: subtree}
    opt_states: dict[str, optax.OptState]  # by task model: momenta of its components, its step count
    step: jax.Array  # () int32, steps of all task models
    task_steps: dict[str, jax.Array]  # by task model, () int32, its steps
    # By task model, (rows of its table,) int32, its steps that are applied to each row (``word_rows``).
    synced: dict[str, jax.Array]


def init_state(
    model: Model, params: Params, optimizers: Mapping[str, optax.GradientTransformation]
) -> RunState:
    """Return the state before the first step.

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
