"""One training step of one task model: pure, for one run."""

from typing import NamedTuple

import jax
import optax

from mlmt_jax.model import TaskModel, batch_loss
from mlmt_jax.training.state import RunState
from mlmt_jax.types import Batch, Params

__all__ = ["StepMetrics", "train_step"]


class StepMetrics(NamedTuple):
    """What a step tells."""

    loss: jax.Array  # () float32, nats per sentence, before the update
    gradient_norm: jax.Array  # () float32, over all of the task's gradients, before clipping


def train_step(
    task: TaskModel,
    optimizer: optax.GradientTransformation,
    state: RunState,
    batch: Batch,
    key: jax.Array,
) -> tuple[RunState, StepMetrics]:
    """Updates the components of one task model; all others pass through.

    Args:
        task, optimizer: static.
        state: of one run.
        batch: of the task's training data.
        key: of the run; the step's own key is folded in from ``state.step``.
    """
    own = task.own(state.params)
    step_key = jax.random.fold_in(key, state.step)
    loss, gradients = jax.value_and_grad(lambda params: batch_loss(task, params, batch, step_key))(own)
    updates, opt_state = optimizer.update(gradients, state.opt_states[task.name], own)
    applied: Params = optax.apply_updates(own, updates)  # type: ignore[assignment]
    new = RunState(
        params={**state.params, **applied},
        opt_states={**state.opt_states, task.name: opt_state},
        step=state.step + 1,
    )
    return new, StepMetrics(loss, optax.tree.norm(gradients))
