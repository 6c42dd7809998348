"""The progress that is printed during a training."""

import io
import re
import sys
from typing import Any

import jax
import pytest

from mlmt_jax.runs.progress import Progress
from mlmt_jax.training import print_progress
from mlmt_jax.training.events import Compiling, Evaluated, Evaluating, ReplicaEvaluation, StepTaken
from mlmt_jax.training.print_progress import Plan, ProgressPrinter, duration
from mlmt_jax.training.recent_steps import RecentSteps


def plan(steps: int, begin: int = 0) -> Plan:
    return Plan("nld ner", "F1", steps, begin)


def evaluation(score: float, best: float) -> ReplicaEvaluation:
    progress = Progress(7, {}, 7, best, 0, 1.0, 7, {})
    params = {} if score == best else None
    return ReplicaEvaluation({}, score, params, progress, RecentSteps({}, {}, 0, 0.0, {}, None))


def print_steps(printer: ProgressPrinter, first: int, last: int) -> None:
    """Print steps, the first one without a loss, then an evaluation."""
    for step in range(first, last + 1):
        printer(StepTaken(step, "nld ner", 1.5 if step > first else None), 1)
    printer(Evaluated(last, 2.0, {}), 1)
    printer.close()


def test_lines_are_printed_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_steps(ProgressPrinter(plan(10, 3), interval=0.0), 4, 7)
    out, err = capsys.readouterr()
    assert out == "step 7/10  2 s\n"
    phase, *lines = err.splitlines()
    assert phase == "training"
    assert len(lines) == 3
    assert lines[0].startswith("step 5/10  nld ner: loss 1.500  ")
    assert lines[0].endswith(" steps/s")


def test_lines_wait_for_the_interval(capsys: pytest.CaptureFixture[str]) -> None:
    print_steps(ProgressPrinter(plan(10), interval=1000.0), 1, 10)
    assert capsys.readouterr().err == "training\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def as_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make standard error a terminal, and return it."""
    terminal: Any = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def print_compiling(printer: ProgressPrinter) -> None:
    """Print that steps wait for two programs, the second one not for long."""
    for number, seconds in ((1, 0.0), (1, 1.5), (1, 2.0), (2, 0.0), (2, 0.5)):
        printer(Compiling(number, 2, seconds), 1)
    printer(StepTaken(1, "nld ner", 1.5), 1)
    printer.close()


def test_a_wait_for_a_program_is_one_line_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    before = jax.config.values["jax_compilation_cache_dir"]
    try:
        for folder, more in (("cache", " (first run on this machine: kept for the next one)"), (None, "")):
            jax.config.update("jax_compilation_cache_dir", folder)
            print_compiling(ProgressPrinter(plan(10)))
            assert capsys.readouterr().err == f"compiling 1 of 2{more}\ntraining\n"
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def test_a_wait_for_a_program_shows_its_seconds_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = as_terminal(monkeypatch)
    print_compiling(ProgressPrinter(plan(10)))
    assert " 2 s" in terminal.getvalue()
    assert "compiling 1 of 2" in terminal.getvalue()
    assert "compiling" not in terminal.getvalue().rpartition("\r")[2]


def test_bar_is_shown_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = as_terminal(monkeypatch)
    print_steps(ProgressPrinter(plan(50)), 1, 50)
    assert "/50" in terminal.getvalue()
    assert "nld ner: loss 1.500" in terminal.getvalue()
    assert capsys.readouterr().out == "step 50/50  2 s\n"


def test_an_evaluation_is_one_line_with_best_and_change(capsys: pytest.CaptureFixture[str]) -> None:
    printer = ProgressPrinter(plan(30))
    for step, scores in ((10, [(0.5, 0.5), (0.7, 0.7)]), (20, [(0.6, 0.6), (0.64, 0.7)])):
        printer(Evaluating(step), 2)
        replicas = {number: evaluation(*pair) for number, pair in enumerate(scores)}
        printer(Evaluated(step, 61.0, replicas), 2)
    alone = ProgressPrinter(plan(30))
    alone(Evaluated(30, 3725.0, {0: evaluation(0.25, 0.5)}), 1)
    assert capsys.readouterr().out.splitlines() == [
        "step 10/30  nld ner dev F1 60.00 (50.0 to 70.0 of 2 replicas)  best 60.00  1 min 1 s",
        "step 20/30  nld ner dev F1 62.00 (60.0 to 64.0 of 2 replicas)  best 65.00  change +2.00  1 min 1 s",
        "step 30/30  nld ner dev F1 25.00  best 50.00  1 h 2 min",
    ]


def test_verbose_prints_the_scores_of_each_replica(capsys: pytest.CaptureFixture[str]) -> None:
    printer = ProgressPrinter(plan(30), verbose=True)
    printer(Evaluated(10, 1.0, {0: evaluation(0.5, 0.5), 3: evaluation(0.25, 0.75)}), 4)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[2:4]] == [["0", "50.00", "best", "so", "far"], ["3", "25.00"]]


def test_the_time_left_counts_steps_after_compiling_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(print_progress.time, "perf_counter", lambda: now[0])
    printer = ProgressPrinter(plan(1000), interval=0.0)
    printer(Compiling(1, 1, 500.0), 1)
    now[0] = 500.0
    for step in range(1, 102):
        printer(StepTaken(step, "nld ner", 1.0), 1)
        now[0] += 0.1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("step")]
    left = [re.search(r"  (.*) left$", line.partition("steps/s")[2]) for line in lines]
    assert left[0] is None
    assert left[-1] is not None
    assert left[-1][1] == duration(0.1 * (1000 - 101))


def test_plain_lines_have_no_carriage_returns(capsys: pytest.CaptureFixture[str]) -> None:
    printer = ProgressPrinter(plan(5), interval=0.0)
    for step in range(1, 6):
        printer(StepTaken(step, "nld ner", 1.0), 1)
        printer(Evaluating(step), 1)
    printer.close()
    err = capsys.readouterr().err
    assert "\r" not in err
    assert err.count("evaluating") == err.count("training") == 1
