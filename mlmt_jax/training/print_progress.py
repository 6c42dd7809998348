"""Printing of a training: a progress bar on standard error, evaluations on standard output."""

import sys
import time
from statistics import mean
from typing import NamedTuple

import jax
from tqdm import tqdm

from mlmt_jax.training.events import Compiling, Diverged, Evaluated, Evaluating, Event, StepTaken
from mlmt_jax.training.tables import score_table, table

# Seconds of a step's wait that are not worth a word.
_PATIENCE = 1.0
# Steps after compiling from which on the time that is left can be told.
_MIN_STEPS = 30


class Plan(NamedTuple):
    """The length of a run, and what it is judged by."""

    target: str  # name of the target's task model
    figure: str  # of its development data, such as "F1"
    steps: int  # at the end of the run
    begin: int  # steps before


class ProgressPrinter:
    """A consumer of events that prints them.

    Each evaluation is a line on standard output. Standard error has the phase and the steps: on a terminal a
    bar, elsewhere a line for each new phase and one every ``interval`` seconds.
    """

    def __init__(self, plan: Plan, *, verbose: bool = False, interval: float = 10.0):
        """Open the bar.

        Args:
            plan: what is expected of the run.
            verbose: print all scores of each evaluation.
            interval: seconds.
        """
        self._plan, self._verbose, self._interval = plan, verbose, interval
        # tqdm's own guess of the time that is left counts compiling as steps.
        form = "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{postfix}"
        is_terminal = sys.stderr.isatty()
        self._bar = (
            tqdm(total=plan.steps, initial=plan.begin, leave=False, bar_format=form) if is_terminal else None
        )
        self._printed_step, self._printed_time = plan.begin, time.perf_counter()
        self._first: tuple[int, float] | None = None  # a step after compiling, and the time that it ended
        self._phase = ""
        self._phases: set[str] = set()  # those that were shown
        self._scores: dict[int, float] = {}  # of the last evaluation, by replica

    def __call__(self, event: Event, replicas: int) -> None:
        """Print an event of a run of so many replicas."""
        match event:
            case Compiling():
                self._print_compiling(event)
            case StepTaken():
                self._print_step(event)
            case Evaluating():
                self._enter("evaluating")
            case Evaluated():
                self._print(self._evaluation(event, replicas))
            case Diverged():
                others = ", the others go on" if event.others else ""
                self._print(f"replica {event.replica} has diverged{others}\n{event.message}")

    def _enter(self, phase: str, more: str = "") -> None:
        """Show the phase: on a terminal with what changes while it lasts, else once in a run."""
        if self._bar is not None:
            self._bar.set_description_str(f"{phase}{more} ")
        elif phase not in self._phases:
            print(phase, file=sys.stderr, flush=True)
        self._phase = phase
        self._phases.add(phase)

    def _print_compiling(self, event: Compiling) -> None:
        """Show what a step waits for, from a second on."""
        if event.seconds >= _PATIENCE:
            text = f"compiling {event.number} of {event.total}"
            if jax.config.values["jax_compilation_cache_dir"]:
                text += " (first run on this machine: kept for the next one)"
            self._enter(text, f" {event.seconds:.0f} s")
            self._first = None

    def _print_step(self, event: StepTaken) -> None:
        """Show a step: on a terminal by the bar, else by a line if the interval is over and its loss known.

        The line has the steps a second since the last line.
        """
        now = time.perf_counter()
        if self._phase != "training":
            self._enter("training")
            self._printed_step, self._printed_time = event.step, now
        if self._first is None:
            self._first = event.step, now
        if self._bar is not None:
            self._bar.update(1)
            if event.loss is not None and event.step % 20 == 0:
                self._bar.set_postfix_str(f"{event.task}: loss {event.loss:.3f}{self._left(event.step)}")
        elif event.loss is not None and now - self._printed_time > self._interval:
            rate = (event.step - self._printed_step) / (now - self._printed_time)
            print(
                f"step {event.step}/{self._plan.steps}  {event.task}: loss {event.loss:.3f}  "
                f"{rate:.1f} steps/s{self._left(event.step)}",
                file=sys.stderr,
                flush=True,
            )
            self._printed_time, self._printed_step = now, event.step

    def _left(self, step: int) -> str:
        """Return the time that is left, by the steps and evaluations since the last compiling, or ""."""
        if self._first is None or step - self._first[0] < _MIN_STEPS:
            return ""
        first, begin = self._first
        seconds = (time.perf_counter() - begin) / (step - first) * max(0, self._plan.steps - step)
        return f"  {duration(seconds)} left"

    def _evaluation(self, event: Evaluated, replicas: int) -> str:
        """Return the line of an evaluation: step, score, best so far, change, time that is left.

        The figures of several replicas are means. With ``verbose``, a run alone also has all scores in a
        table, and several replicas one of their scores.
        """
        head = f"step {event.step}/{self._plan.steps}"
        if not event.replicas:
            return f"{head}  {duration(event.seconds)}"
        evaluations = event.replicas
        scores = [100 * evaluation.score for evaluation in evaluations.values()]
        bests = [100 * (evaluation.progress.best_score or 0.0) for evaluation in evaluations.values()]
        changes = [
            100 * (evaluation.score - self._scores[number])
            for number, evaluation in evaluations.items()
            if number in self._scores
        ]
        self._scores = {number: evaluation.score for number, evaluation in evaluations.items()}
        spread = (
            "" if replicas == 1 else f" ({min(scores):.1f} to {max(scores):.1f} of {len(scores)} replicas)"
        )
        change = f"  change {mean(changes):+.2f}" if changes else ""
        line = (
            f"{head}  {self._plan.target} dev {self._plan.figure} {mean(scores):.2f}{spread}  "
            f"best {mean(bests):.2f}{change}  {duration(event.seconds)}{self._left(event.step)}"
        )
        if not self._verbose:
            return line
        if replicas == 1:
            return f"{line}\n{score_table(next(iter(evaluations.values())).scores)}\n"
        rows = [
            (number, f"{100 * evaluation.score:.2f}", "best so far" if evaluation.is_best else "")
            for number, evaluation in evaluations.items()
        ]
        return f"{line}\n{table(('replica', f'{self._plan.target} dev', ''), rows)}\n"

    def _print(self, text: str) -> None:
        """Print to standard output without tearing the bar."""
        if self._bar is not None:
            self._bar.clear()
        print(text, flush=True)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()


def duration(seconds: float) -> str:
    """Return a time in words: "48 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole // 60 % 60} min"
    )
