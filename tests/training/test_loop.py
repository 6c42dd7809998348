"""The training loop: which events it yields, and in which order."""

import math
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import tiny_corpus
from tiny_runs import sampled_config, script_scores

from mlmt_jax.config import load_config
from mlmt_jax.training import loop
from mlmt_jax.training.events import (
    Compiling,
    Diverged,
    Evaluated,
    Evaluating,
    Event,
    Finished,
    StateReached,
    StepTaken,
    Stopped,
)
from mlmt_jax.training.loop import Start, train_replicas
from mlmt_jax.training.replica_set import ReplicaSet
from mlmt_jax.training.resume import fresh_start
from mlmt_jax.training.setup import Setup, prepare_replicas
from mlmt_jax.training.signals import StopRequest


def build(corpus: Path, data: dict[str, Any]) -> tuple[ReplicaSet, Start]:
    """Return the replicas of a config, and their start."""
    setups: list[Setup] = prepare_replicas(load_config(tiny_corpus.write_config(corpus, data)))
    replicas = ReplicaSet(setups)
    return replicas, fresh_start(replicas, setups)


def poisoned(start: Start, number: int) -> Start:
    """Return a start with NaN in place of all floating-point numbers of a replica."""
    states = list(start.states)
    poison = lambda x: np.full_like(x, np.nan) if x.dtype == np.float32 else x
    states[number] = jax.tree.map(poison, states[number])
    return start._replace(states=states)


def named_steps(events: list[Event]) -> list[tuple[str, int]]:
    """Return the class name and step of events; the state of a replica has the step of its progress."""
    return [
        (
            type(event).__name__,
            next(iter(event.replicas.values()))[1].step if isinstance(event, StateReached) else event.step,
        )
        for event in events
        if not isinstance(event, (Compiling, Evaluating))
    ]


def events_until_stop(events: Iterator[Event], stop: StopRequest) -> list[Event]:
    """Return all events of a training that is asked to stop when its first loss arrives."""
    first = next(events)
    assert isinstance(first, StepTaken)
    stop.signum = signal.SIGTERM
    return [first, *events]


def test_events_come_in_the_order_of_steps(corpus: Path) -> None:
    replicas, start = build(corpus, tiny_corpus.lean("nld ner", max_step=5, eval_freq=2))
    events = list(train_replicas(replicas, start, StopRequest()))
    assert named_steps(events) == [
        ("StepTaken", 1),
        ("StepTaken", 2),
        ("Evaluated", 2),
        ("StateReached", 2),
        ("StepTaken", 3),
        ("StepTaken", 4),
        ("Evaluated", 4),
        ("StateReached", 4),
        ("StepTaken", 5),
        ("StateReached", 5),  # before the evaluation, which a longer run would not have at this step
        ("Evaluated", 5),
        ("Finished", 5),
    ]
    for event in events:
        if isinstance(event, StepTaken):
            assert event.task == "nld ner"
            assert event.loss is not None
            assert event.loss > 0
        elif isinstance(event, Evaluated):
            [evaluation] = event.replicas.values()
            assert evaluation.progress.step == evaluation.progress.evaluated == event.step
            assert evaluation.is_best == (evaluation.progress.best_step == event.step)
            assert evaluation.recent.sentences > 0
    evaluations = [event.replicas[0] for event in events if isinstance(event, Evaluated)]
    assert evaluations[0].is_best
    assert events[-1] == Finished(5, {0: evaluations[-1].progress}, {})
    [*_, last_state] = (event.replicas[0][1] for event in events if isinstance(event, StateReached))
    assert (last_state.step, last_state.evaluated, last_state.task_steps) == (5, 4, {"nld ner": 5})


def test_training_from_a_state_yields_the_same_events(corpus: Path) -> None:
    replicas, start = build(corpus, tiny_corpus.lean("nld ner", max_step=6, eval_freq=3))
    events, resumed = [], None
    for event in train_replicas(replicas, start, StopRequest()):
        events.append(event)
        if isinstance(event, StateReached) and resumed is None:
            state, progress = event.replicas[0]
            # A copy on the host: the next step reuses the memory of the state.
            states = [jax.device_get(state)]
            resumed = Start(progress.step, progress.task_steps, progress.seconds, states, [progress], {})
    assert resumed is not None
    tail = list(train_replicas(replicas, resumed, StopRequest()))
    assert named_steps(tail) == named_steps(events)[5:]
    losses, resumed_losses = (
        [event.loss for event in part if isinstance(event, StepTaken)] for part in (events[6:], tail)
    )
    assert resumed_losses == losses
    assert len(losses) == 3
    finished, resumed_finished = events[-1], tail[-1]
    assert isinstance(finished, Finished)
    assert isinstance(resumed_finished, Finished)
    progress, resumed_progress = finished.progress[0], resumed_finished.progress[0]
    assert resumed_progress._replace(seconds=0) == progress._replace(seconds=0)


def test_stop_request_before_the_first_step_saves_the_start(corpus: Path) -> None:
    replicas, start = build(corpus, tiny_corpus.lean("nld ner", max_step=5, eval_freq=2))
    stop = StopRequest()
    stop.signum = signal.SIGINT
    state_reached, stopped = train_replicas(replicas, start, stop)
    assert isinstance(state_reached, StateReached)
    assert state_reached.replicas[0][1].step == 0
    assert stopped == Stopped(signal.SIGINT, 0)


def test_a_stop_does_not_wait_for_a_program(corpus: Path) -> None:
    replicas, start = build(corpus, tiny_corpus.lean("nld ner", max_step=5, eval_freq=2))
    stop, waiting = StopRequest(), Future()
    replicas.compilation = lambda task, batches: (1, 1, waiting)  # type: ignore[method-assign]
    events = train_replicas(replicas, start, stop)
    assert isinstance(next(events), Compiling)
    stop.signum = signal.SIGINT
    assert named_steps(list(events)) == [("StateReached", 0), ("Stopped", 0)]


def test_stop_request_reads_all_losses_and_saves_states(corpus: Path) -> None:
    replicas, start = build(corpus, tiny_corpus.lean("nld ner", max_step=1000, eval_freq=1000))
    stop = StopRequest()
    events = events_until_stop(train_replicas(replicas, start, stop), stop)
    last = loop._LAG + 1  # the step before which the first loss was read
    assert named_steps(events) == [
        *(("StepTaken", step) for step in range(1, last + 1)),
        ("StateReached", last),
        ("Stopped", last),
    ]
    progress = events[-2].replicas[0][1] if isinstance(events[-2], StateReached) else None
    assert progress is not None
    assert progress.task_steps == {"nld ner": last}
    assert len(progress.window["losses"]["nld ner"]) == last
    assert events[-1] == Stopped(signal.SIGTERM, last)


def test_diverged_run_alone_yields_no_evaluation(corpus: Path) -> None:
    replicas, start = build(corpus, tiny_corpus.lean("nld ner", max_step=2, eval_freq=2))
    events = train_replicas(replicas, poisoned(start, 0), StopRequest())
    first, diverged, second, evaluated, state_reached, finished = (
        event for event in events if not isinstance(event, (Compiling, Evaluating))
    )
    assert isinstance(first, StepTaken)
    assert first.loss is not None
    assert math.isnan(first.loss)
    assert isinstance(diverged, Diverged)
    assert (diverged.replica, diverged.step, diverged.others) == (0, 1, False)
    assert diverged.message.startswith("step 1, task 'nld ner': loss is nan")
    assert second == StepTaken(2, "nld ner", None)
    assert isinstance(evaluated, Evaluated)
    assert evaluated.replicas == {}
    assert state_reached == StateReached({})
    assert finished == Finished(2, dict(enumerate(start.progress)), {0: diverged.message})


def test_diverged_replica_leaves_the_others(corpus: Path) -> None:
    replicas, start = build(corpus, sampled_config(replicas=2, max_step=4))
    events = list(train_replicas(replicas, poisoned(start, 0), StopRequest()))
    [diverged] = (event for event in events if isinstance(event, Diverged))
    assert (diverged.replica, diverged.step, diverged.others) == (0, 1, True)
    steps = [event for event in events if isinstance(event, StepTaken)]
    assert [step.step for step in steps] == [1, 2, 3, 4]
    assert all(step.loss is not None and math.isfinite(step.loss) for step in steps[1:])
    [evaluated] = (event for event in events if isinstance(event, Evaluated))
    assert evaluated.replicas.keys() == {1}
    [state_reached] = (event for event in events if isinstance(event, StateReached))
    assert state_reached.replicas.keys() == {1}
    assert isinstance(events[-1], Finished)
    assert events[-1].divergences == {0: diverged.message}


def test_training_ends_once_patience_has_ended_all_replicas(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_scores(monkeypatch, [0.5, 0.1, 0.4, 0.2, 0.1])
    data = sampled_config(replicas=2, patience=1, max_step=100, eval_freq=2)
    replicas, start = build(corpus, data)
    *_, finished = events = list(train_replicas(replicas, start, StopRequest()))
    evaluated = [event.replicas.keys() for event in events if isinstance(event, Evaluated)]
    assert evaluated == [{0, 1}, {0, 1}, {1}]
    assert isinstance(finished, Finished)
    assert (finished.step, finished.divergences) == (6, {})
    assert [progress.step for progress in finished.progress.values()] == [4, 6]
