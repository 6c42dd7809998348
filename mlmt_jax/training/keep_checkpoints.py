"""Keeping of checkpoints: the best parameters and the states to resume from, as events bring them."""

from collections.abc import Sequence

from mlmt_jax.runs.checkpoints import Checkpoints
from mlmt_jax.training.events import Evaluated, Event, Finished, StateReached, Stopped


def keep_checkpoints(checkpoints: Sequence[Checkpoints], event: Event) -> None:
    """Save what an event brings, in the background; wait for all writes when the training ends.

    Args:
        checkpoints: checkpoints of each replica.
        event: an event of the training.

    Raises:
        RunError: if this or an earlier checkpoint could not be written.
    """
    match event:
        case Evaluated():
            for number, evaluation in event.replicas.items():
                if evaluation.best_params is not None:
                    checkpoints[number].save_best(event.step, evaluation.best_params)
        case StateReached():
            for number, (state, progress) in event.replicas.items():
                checkpoints[number].save_last(state, progress)
        case Stopped() | Finished():
            for replica in checkpoints:
                replica.wait()
