"""The training loop: draw a task, step all runs, evaluate them, keep the best of each, score that at last."""

import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.training import processes
from mlmt_jax.training.fleet import Fleet
from mlmt_jax.training.plan import draw_task
from mlmt_jax.training.printing import Reporter, score_table, table
from mlmt_jax.training.run import Evaluation
from mlmt_jax.training.setup import Setup
from mlmt_jax.training.signals import Stopped, StopRequest
from mlmt_jax.training.step import StepMetrics
from mlmt_jax.training.window import DivergedError, Taken

__all__ = ["train"]

# Losses are looked at so many steps late, when they are there without waiting for the device.
_LAG = 16


def train(
    setups: Sequence[Setup], folder: RunFolder, going_on: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Trains runs side by side, from their start or from their last common checkpoint; returns the summary.

    Args:
        setups: of the replicas in their order; one for a run alone.
        folder: of the run, which has been created; of several, it holds one folder for each.
        going_on: is called once the checkpoints are known to be of use, before anything changes; not where
            the run is finished.

    Raises:
        DivergedError: when the loss of a run alone is not finite, or at the end where those of all replicas
            were not; what was best so far stays.
        RunError: where checkpoints cannot be used, or the folder cannot be written.
        Stopped: on Ctrl-C or SIGTERM, once the state is saved.
    """
    fleet = Fleet(setups, folder)
    try:
        with StopRequest() as stop:
            with processes.refusing_together():  # the first one then clears away what is not gone on from
                restored = fleet.restore()
            if restored and fleet.finished:
                summary = fleet.summary()
                if summary is not None:
                    print(f"the run is finished: it has had {fleet.step} steps; {_how_to_go_on(fleet)}")
                    fleet.tell(summary)
                    return summary
            going_on()
            fleet.begin()
            _Loop(fleet, stop).run()
            fleet.wait()
            return fleet.finish(lambda: _check_stop(stop, fleet.step))
    finally:
        fleet.close()


def _how_to_go_on(fleet: Fleet) -> str:
    if fleet.alone:
        return "raise training.max_step, max_epoch or patience to go on"
    # They took their last steps at different times, and could not go on side by side.
    if all(run.ended for run in fleet.runs):
        return "all replicas came to an end of their own; start anew with another --output to train longer"
    return "raise training.max_step or max_epoch to go on"


def _check_stop(stop: StopRequest, step: int) -> None:
    # Of several processes, all stop where they evaluate.
    if stop.signum is not None and not processes.several():
        raise Stopped(stop.signum, step)


class _Loop:
    """Steps and evaluations of all runs until they are finished."""

    def __init__(self, fleet: Fleet, stop: StopRequest):
        self._fleet, self._stop = fleet, stop
        self._taken: deque[tuple[int, str, int, list[StepMetrics]]] = deque()
        self._started = time.perf_counter() - fleet.seconds
        self._evaluated = max(run.progress.evaluated for run in fleet.runs)
        self._reporter = Reporter(fleet.expected_steps, fleet.step)
        self._loss: tuple[str, float] | None = None  # the last that was looked at, a mean over the runs

    @property
    def _seconds(self) -> float:
        return time.perf_counter() - self._started

    def run(self) -> None:
        """Raises: DivergedError, of a run alone; Stopped."""
        fleet, frequency = self._fleet, self._fleet.config.training.eval_freq
        looked = True  # processes agree on whether to go on where they look at their scores
        try:
            while True:
                if fleet.step > self._evaluated and (fleet.step % frequency == 0 or fleet.at_end):
                    self._evaluate()
                    looked = True
                if (looked or not processes.several()) and fleet.finished:
                    break
                if processes.any_of(self._stop.signum is not None, here=looked):
                    self._drain()
                    fleet.save(self._seconds)
                    fleet.wait()
                    raise Stopped(self._stop.signum or signal.SIGTERM, fleet.step)
                looked = False
                self._step()
        finally:
            self._reporter.close()

    def _step(self) -> None:
        fleet = self._fleet
        name = draw_task(fleet.weights, fleet.step)
        task_step = fleet.task_steps[name]
        metrics = fleet.take_step(name)
        self._taken.append((fleet.step, name, task_step, metrics))
        if len(self._taken) > _LAG:
            self._look()
        self._reporter.step(fleet.step, self._loss)

    def _look(self) -> None:
        """Takes in the oldest step that was not looked at."""
        step, name, task_step, metrics = self._taken.popleft()
        fleet = self._fleet
        told = {n: own for n, own in fleet.metrics(metrics).items() if n not in fleet.retired}
        losses = [own.loss for n, own in told.items() if not fleet.runs[n].ended]
        if losses:
            self._loss = name, float(np.mean(losses))
        for number, own in told.items():
            try:
                fleet.runs[number].add(Taken(step, name, task_step, own))
            except DivergedError as error:
                self._lose(number, error, step)

    def _lose(self, number: int, error: DivergedError, step: int) -> None:
        """Lets the others go on without a run that diverged at a step, if there are others."""
        fleet = self._fleet
        if fleet.alone:
            raise error
        # One that patience had ended has its scores; that it had, the first of several processes alone knows.
        if not fleet.runs[number].ended:
            fleet.runs[number].diverge(step, error)
            others = ", the others go on" if any(not run.ended for run in fleet.runs) else ""
            self._reporter.tell(f"replica {number} has diverged{others}\n{error}")
        fleet.retire(number)

    def _drain(self) -> None:
        while self._taken:
            self._look()

    def _evaluate(self) -> None:
        self._drain()
        fleet = self._fleet
        regular = fleet.step % fleet.config.training.eval_freq == 0
        if not regular:
            # A run that goes on longer has no evaluation here: it starts from before this one.
            fleet.save(self._seconds)
        lose = partial(self._lose, step=fleet.step)
        told = fleet.evaluate(self._seconds, lose, keep=regular)
        self._evaluated = fleet.step
        self._reporter.tell(f"step {fleet.step}, {self._seconds:.0f} s{_news(fleet, told)}\n")


def _news(fleet: Fleet, told: Mapping[int, Evaluation]) -> str:
    """What an evaluation says of each run."""
    if not told:
        return ""
    if fleet.alone:
        [own] = told.values()
        return f"{'  (best so far)' if own.better else ''}\n{score_table(own.scores)}"
    target = fleet.config.target.name
    mark = {True: "best so far", False: ""}
    rows = [(number, f"{100 * own.score:.2f}", mark[own.better]) for number, own in told.items()]
    return f"\n{table(('replica', f'{target} dev', ''), rows)}"
