"""The training loop: a generator of events that steps, evaluates and ends replicas."""

import signal
import time
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent import futures
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np

from mlmt_jax.runs.progress import Progress
from mlmt_jax.training import processes
from mlmt_jax.training.divergence import DivergedError, add_step, check_losses, check_params
from mlmt_jax.training.events import (
    Compiling,
    Diverged,
    Evaluated,
    Evaluating,
    Event,
    Finished,
    ReplicaEvaluation,
    StateReached,
    StepTaken,
    Stopped,
)
from mlmt_jax.training.plan import PlannedStep, plan_steps
from mlmt_jax.training.recent_steps import RecentSteps, restore_recent_steps
from mlmt_jax.training.replica_group import Leaves, to_device
from mlmt_jax.training.replica_set import ReplicaSet
from mlmt_jax.training.run_scores import headline, score_replica
from mlmt_jax.training.signals import StopRequest
from mlmt_jax.training.state import RunState
from mlmt_jax.training.step import StepMetrics
from mlmt_jax.types import Params

# Losses are read so many steps late, when they have arrived without waiting for the device.
_LAG = 16

# Seconds between two events of a step that waits for its program.
_POLL_SECONDS = 0.5


class Start(NamedTuple):
    """The start of a training: step 0, or the step from which it is resumed."""

    step: int
    task_steps: Mapping[str, int]  # by task model
    seconds: float  # of training and evaluation before
    states: Sequence[RunState]  # of each replica
    progress: Sequence[Progress]  # of each replica
    divergences: Mapping[int, str]  # messages of the replicas that have diverged


class _Training(NamedTuple):
    """The training between two steps."""

    states: list[Leaves]  # of all replicas, by group
    step: int
    task_steps: Mapping[str, int]
    progress: Mapping[int, Progress]  # by replica, of its last evaluation or state
    recent: Mapping[int, RecentSteps]  # by replica
    divergences: Mapping[int, str]  # messages of the replicas that ended by divergence
    retired: frozenset[int] = frozenset()  # replicas whose numbers are not finite; the same in all processes


_Events = Generator[Event, None, _Training]


def train_replicas(replicas: ReplicaSet, start: Start, stop: StopRequest) -> Generator[Event, None, None]:
    """Train until the run ends, all replicas have ended, or a signal asks to stop; yield what happens.

    A replica that diverges ends; whoever consumes the events decides whether the others go on. All processes
    of a run yield events at the same steps; scores and states are in those of the first process alone.

    Args:
        replicas: the replicas.
        start: where the training starts.
        stop: the request to stop.
    """
    begin, frequency = time.perf_counter() - start.seconds, replicas.config.training.eval_freq
    progress = dict(enumerate(start.progress))
    recent = {number: restore_recent_steps(stored.window) for number, stored in progress.items()}
    states = replicas.start(start.states)
    training = _Training(states, start.step, start.task_steps, progress, recent, start.divergences)
    for number in start.divergences:
        training = _retire(replicas, training, number)
    evaluated = max(stored.evaluated for stored in progress.values())
    pending: deque[tuple[PlannedStep, list[StepMetrics]]] = deque()  # steps whose losses were not read
    # Several processes agree on whether to go on only where they evaluate.
    is_agreed = True
    with closing(replicas.prefetch(plan_steps(replicas.weights, start.step, start.task_steps))) as batches:
        while True:
            at_end = replicas.length.is_over(training.step, training.task_steps)
            if training.step > evaluated and (training.step % frequency == 0 or at_end):
                training = yield from _read_losses(replicas, training, pending, 0)
                training = yield from _evaluate(replicas, training, begin)
                evaluated, is_agreed = training.step, True
            if (is_agreed or not processes.several()) and (
                at_end or not processes.any_of(bool(_live(replicas, training)))
            ):
                break
            if processes.any_of(stop.signum is not None, is_agreed=is_agreed):
                training = yield from _read_losses(replicas, training, pending, 0)
                yield _state_reached(replicas, training, time.perf_counter() - begin)
                yield Stopped(stop.signum or signal.SIGTERM, training.step)
                return
            is_agreed = False
            planned, placed = next(batches)
            if not (yield from _await_program(replicas, planned.task, placed, stop)):
                continue
            states, metrics = replicas.step(training.states, planned.task, placed)
            task_steps = {**training.task_steps, planned.task: planned.task_step + 1}
            states = replicas.update_average(states, planned.step + 1)
            training = training._replace(states=states, step=planned.step + 1, task_steps=task_steps)
            pending.append((planned, metrics))
            training = yield from _read_losses(replicas, training, pending, _LAG)
    yield Finished(training.step, training.progress, training.divergences)


def _await_program(
    replicas: ReplicaSet, task: str, batches: Sequence[Any], stop: StopRequest
) -> Generator[Event, None, bool]:
    """Wait until the program of a step is compiled; False if a single process was asked to stop meanwhile."""
    begin = time.perf_counter()
    while compilation := replicas.compilation(task, batches):
        if stop.signum is not None and not processes.several():
            return False
        number, total, future = compilation
        yield Compiling(number, total, time.perf_counter() - begin)
        futures.wait([future], _POLL_SECONDS)
    return True


def _live(replicas: ReplicaSet, training: _Training) -> list[int]:
    """Return the replicas that this process evaluates and saves, and that are still training."""
    numbers = range(len(replicas)) if processes.is_first() else ()
    return [number for number in numbers if not _has_ended(replicas, training, number)]


def _has_ended(replicas: ReplicaSet, training: _Training, number: int) -> bool:
    """Return True if replica ``number`` of the whole run is known here to have ended.

    A replica ends by divergence or by patience.

    Processes do not communicate for it: only the first one knows the scores that patience counts.
    """
    patience = replicas.config.training.patience
    return number in training.divergences or training.progress[number].has_ended(patience)


def _retire(replicas: ReplicaSet, training: _Training, number: int) -> _Training:
    """Return the training with a replica's numbers replaced by a healthy one's; nobody reads them again."""
    retired = training.retired | {number}
    return training._replace(states=replicas.retire(training.states, number, retired), retired=retired)


def _end_diverged(replicas: ReplicaSet, training: _Training, number: int, message: str, step: int) -> _Events:
    """End a replica whose numbers are not finite at a step; one that patience has ended keeps its scores."""
    if not _has_ended(replicas, training, number):
        training = training._replace(divergences={**training.divergences, number: message})
        others = any(not _has_ended(replicas, training, n) for n in range(len(replicas)))
        yield Diverged(number, step, message, others)
    return _retire(replicas, training, number)


def _read_losses(
    replicas: ReplicaSet, training: _Training, pending: deque[tuple[PlannedStep, list[StepMetrics]]], lag: int
) -> _Events:
    """Read the losses of pending steps, oldest first, until at most ``lag`` of them are left.

    Each is a ``StepTaken`` and a part of the recent steps of each replica; replicas whose loss or gradient is
    not finite end.

    Args:
        replicas: the replicas.
        training: the training after the last step.
        pending: steps with the metrics of each group; those that are read are removed.
        lag: number of steps that may be left.

    Returns:
        The training with recent steps and divergences.
    """
    while len(pending) > lag:
        planned, metrics = pending.popleft()
        by_replica = {n: m for n, m in replicas.metrics(metrics).items() if n not in training.retired}
        losses = [m.loss for n, m in by_replica.items() if not _has_ended(replicas, training, n)]
        yield StepTaken(planned.step + 1, planned.task, float(np.mean(losses)) if losses else None)
        for number, (loss, norm) in by_replica.items():
            recent = training.recent[number]
            try:
                recent = add_step(replicas[number].setup, recent, planned, float(loss), float(norm))
            except DivergedError as error:
                step = planned.step + 1
                training = yield from _end_diverged(replicas, training, number, str(error), step)
            training = training._replace(recent={**training.recent, number: recent})
    return training


def _state_reached(replicas: ReplicaSet, training: _Training, seconds: float) -> StateReached:
    """Return the event that live replicas can be resumed from the training's step.

    Their progress is that of the last evaluation with the numbers of steps, ``seconds`` of the run and recent
    steps of now.
    """
    states = replicas.states(training.states)
    return StateReached(
        {
            number: (
                states[number],
                training.progress[number]._replace(
                    step=training.step,
                    task_steps=dict(training.task_steps),
                    seconds=seconds,
                    window=training.recent[number].as_json(),
                ),
            )
            for number in _live(replicas, training)
        }
    )


def _evaluate(replicas: ReplicaSet, training: _Training, begin: float) -> _Events:
    """Evaluate all replicas that are still training; end those whose parameters or losses are not finite.

    The events are ``Evaluating``, ``Diverged`` for each replica that ends, ``Evaluated``, and
    ``StateReached``: after the evaluation at a multiple of ``eval_freq``, otherwise before it, since a run
    that goes on has no evaluation there.

    Args:
        replicas: the replicas.
        training: the training after a step.
        begin: ``time.perf_counter()`` at which the run would have begun without interruptions.

    Returns:
        The training with new progress and empty recent steps.
    """
    seconds, step = time.perf_counter() - begin, training.step
    yield Evaluating(step)
    is_regular = step % replicas.config.training.eval_freq == 0
    if not is_regular:
        # A run that is continued has no evaluation here: it is resumed from before this one.
        yield _state_reached(replicas, training, seconds)
    params = replicas.params(training.states)
    # All processes check all replicas, since all take the same steps.
    for number in range(len(replicas)):
        if number not in training.retired:
            try:
                check_params(replicas[number].setup, training.recent[number], params[number])
            except DivergedError as error:
                training = yield from _end_diverged(replicas, training, number, str(error), step)
    params = replicas.averages(training.states, step) or params
    evaluations: dict[int, ReplicaEvaluation] = {}
    failures: dict[int, str] = {}
    for number in _live(replicas, training):
        try:
            evaluations[number] = _evaluate_replica(replicas, training, number, params[number], seconds)
        except DivergedError as error:
            failures[number] = str(error)
    # Only the first process evaluates.
    has_failed = processes.any_of_each(np.isin(np.arange(len(replicas)), list(failures)))
    for number in np.flatnonzero(has_failed).tolist():
        message = failures.get(number, "losses of development data are not finite")
        training = yield from _end_diverged(replicas, training, number, message, step)
    training = training._replace(
        progress={**training.progress, **{n: e.progress for n, e in evaluations.items()}},
        recent={number: recent.restart() for number, recent in training.recent.items()},
    )
    yield Evaluated(step, time.perf_counter() - begin, evaluations)
    if is_regular:
        states = replicas.states(training.states)
        yield StateReached({n: (states[n], training.progress[n]) for n in evaluations})
    return training


def _evaluate_replica(
    replicas: ReplicaSet, training: _Training, number: int, params: Params, seconds: float
) -> ReplicaEvaluation:
    """Score a replica on its development files.

    Args:
        replicas: the replicas.
        training: the training at the evaluation.
        number: the replica.
        params: its up-to-date, padded parameters, or their average.
        seconds: of the run until then.

    Raises:
        DivergedError: if a loss is not finite.
    """
    setup, recent, config = replicas[number].setup, training.recent[number], replicas.config
    names = {task.name for task in config.tasks if task.require_eval or task.ref}
    scores = score_replica(setup, to_device(params), lambda task, split: split == "dev" and task in names)
    check_losses(setup, recent, scores)
    target = config.target.name
    score = headline(config, target, scores[target]["dev"].as_json())
    progress = training.progress[number].after_evaluation(training.step, training.task_steps, seconds, score)
    progress = progress._replace(window={"finite": dict(recent.finite)})
    best_params = replicas[number].crop(params) if progress.best_step == training.step else None
    return ReplicaEvaluation(scores, score, best_params, progress, recent)
