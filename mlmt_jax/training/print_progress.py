"""Printing of a training: a progress bar on standard error, evaluations on standard output."""

import sys
import time
from collections.abc import Mapping

import jax
from tqdm import tqdm

from mlmt_jax.training.events import Compiling, Diverged, Evaluated, Event, ReplicaEvaluation, StepTaken
from mlmt_jax.training.tables import score_table, table

# Seconds of a step's wait that are not worth a word.
_PATIENCE = 1.0


class ProgressPrinter:
    """A consumer of events that prints them.

    On a terminal standard error shows a bar, elsewhere a line every ``interval`` seconds.
    """

    def __init__(self, target: str, expected_steps: int, step: int, interval: float = 10.0):
        """Open the bar.

        Args:
            target: name of the target's task model.
            expected_steps: steps at the end of the run.
            step: steps before.
            interval: seconds.
        """
        is_terminal = sys.stderr.isatty()
        self._bar = (
            tqdm(total=expected_steps, initial=step, unit="step", leave=False) if is_terminal else None
        )
        self._target, self._expected_steps, self._interval = target, expected_steps, interval
        self._printed_step, self._printed_time = step, time.perf_counter()
        self._compiling = 0  # number of the program that steps wait for

    def __call__(self, event: Event, replicas: int) -> None:
        """Print an event of a run of so many replicas."""
        match event:
            case Compiling():
                self._print_compiling(event)
            case StepTaken():
                self._print_step(event)
            case Evaluated():
                news = self._evaluation(event.replicas, replicas)
                self._print(f"step {event.step}, {event.seconds:.0f} s{news}\n")
            case Diverged():
                others = ", the others go on" if event.others else ""
                self._print(f"replica {event.replica} has diverged{others}\n{event.message}")

    def _print_compiling(self, event: Compiling) -> None:
        """Show what a step waits for, from a second on: on a terminal with the seconds, else once."""
        if event.seconds < _PATIENCE:
            return
        text = f"compiling {event.number} of {event.total}"
        if jax.config.values["jax_compilation_cache_dir"]:
            text += " (first run on this machine: kept for the next one)"
        if self._bar is not None:
            self._bar.set_description_str(f"{text} {event.seconds:.0f} s")
        elif event.number != self._compiling:
            print(text, file=sys.stderr, flush=True)
        self._compiling = event.number

    def _end_compiling(self) -> None:
        """Remove the words of the wait, and leave its time out of the rate of steps."""
        self._compiling = 0
        if self._bar is not None:
            self._bar.set_description_str("")
            self._bar.unpause()
        self._printed_time = time.perf_counter()

    def _print_step(self, event: StepTaken) -> None:
        """Show a step: on a terminal by the bar, else by a line if the interval is over and its loss known.

        The line has the steps a second since the last line.
        """
        if self._compiling:
            self._end_compiling()
        if self._bar is not None:
            self._bar.update(1)
            if event.loss is not None and event.step % 20 == 0:
                self._bar.set_postfix_str(f"{event.task}: loss {event.loss:.3f}")
        elif event.loss is not None and (now := time.perf_counter()) - self._printed_time >= self._interval:
            rate = (event.step - self._printed_step) / (now - self._printed_time)
            print(
                f"step {event.step}/{self._expected_steps}  {event.task}: loss {event.loss:.3f}  "
                f"{rate:.1f} steps/s",
                file=sys.stderr,
                flush=True,
            )
            self._printed_time, self._printed_step = now, event.step

    def _evaluation(self, evaluations: Mapping[int, ReplicaEvaluation], replicas: int) -> str:
        """Return the text after "step N, S s" for an evaluation; empty without evaluations.

        A run alone gets all scores in a table, several replicas a table of the target's development scores.
        Both mark what is the best so far.
        """
        if not evaluations:
            return ""
        if replicas == 1:
            [evaluation] = evaluations.values()
            mark = "  (best so far)" if evaluation.is_best else ""
            return f"{mark}\n{score_table(evaluation.scores)}"
        rows = [
            (number, f"{100 * evaluation.score:.2f}", "best so far" if evaluation.is_best else "")
            for number, evaluation in evaluations.items()
        ]
        return f"\n{table(('replica', f'{self._target} dev', ''), rows)}"

    def _print(self, text: str) -> None:
        """Print to standard output without tearing the bar."""
        if self._bar is not None:
            self._bar.clear()
        print(text, flush=True)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
