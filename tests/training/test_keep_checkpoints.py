"""The checkpoints that events of a training bring."""

from typing import Any

from stored_checkpoints import PROGRESS, random_params, random_state

from mlmt_jax.training.events import (
    Diverged,
    Evaluated,
    Finished,
    ReplicaEvaluation,
    StateReached,
    StepTaken,
    Stopped,
)
from mlmt_jax.training.keep_checkpoints import keep_checkpoints
from mlmt_jax.training.recent_steps import restore_recent_steps


class RecordedCheckpoints:
    """A substitute of ``Checkpoints`` that records its calls."""

    def __init__(self):
        self.calls: list[tuple[Any, ...]] = []

    def save_best(self, step: int, params: Any) -> None:
        self.calls.append(("save_best", step, params))

    def save_last(self, state: Any, progress: Any) -> None:
        self.calls.append(("save_last", state, progress))

    def wait(self) -> None:
        self.calls.append(("wait",))


def recorded_calls(event: Any) -> list[list[tuple[Any, ...]]]:
    """Return the calls of an event by replica, of two replicas."""
    checkpoints: Any = [RecordedCheckpoints(), RecordedCheckpoints()]
    keep_checkpoints(checkpoints, event)
    return [replica.calls for replica in checkpoints]


def test_best_parameters_are_saved_after_an_evaluation() -> None:
    params, recent = random_params(0), restore_recent_steps({})
    best = ReplicaEvaluation({}, 0.5, params, PROGRESS, recent)
    worse = best._replace(best_params=None)
    assert recorded_calls(Evaluated(7, 1.5, {0: worse, 1: best})) == [[], [("save_best", 7, params)]]


def test_states_are_saved_when_they_are_reached() -> None:
    state = random_state(7)
    event = StateReached({1: (state, PROGRESS)})
    assert recorded_calls(event) == [[], [("save_last", state, PROGRESS)]]


def test_all_writes_are_finished_at_the_end() -> None:
    for event in (Stopped(15, 7), Finished(7, {}, {})):
        assert recorded_calls(event) == [[("wait",)], [("wait",)]]


def test_other_events_bring_no_checkpoints() -> None:
    for event in (StepTaken(7, "nld ner", 0.5), Diverged(0, 7, "loss is nan", True)):
        assert recorded_calls(event) == [[], []]
