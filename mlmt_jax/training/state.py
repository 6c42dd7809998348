"""What a run carries from step to step."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from mlmt_jax.model import Model
from mlmt_jax.types import Params

__all__ = ["RunState", "init_state"]


class RunState(NamedTuple):
    """One run between two steps. A pytree: R runs are one with a leading axis."""

    params: Params  # {component name: subtree}
    opt_states: dict[str, optax.OptState]  # by task model: momenta of its own components, its step count
    step: jax.Array  # () int32, steps of all tasks
    task_steps: dict[str, jax.Array]  # by task model, () int32, its own steps
    synced: dict[str, jax.Array]  # by task model, (rows of its table,) int32, its steps that a row has had


def init_state(
    model: Model, params: Params, optimizers: Mapping[str, optax.GradientTransformation]
) -> RunState:
    """The state before the first step."""
    opt_states = {
        name: optimizer.init(model.tasks[name].select(params)) for name, optimizer in optimizers.items()
    }
    task_steps = {name: jnp.int32(0) for name in optimizers}
    synced = {
        name: jnp.zeros(len(params[model.tasks[name].word_embed.name]["table"]), jnp.int32)
        for name in optimizers
    }
    return RunState(params, opt_states, jnp.int32(0), task_steps, synced)
