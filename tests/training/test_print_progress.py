"""The progress that is printed during a training."""

import io
import sys
from typing import Any

import jax
import pytest

from mlmt_jax.training.events import Compiling, Evaluated, StepTaken
from mlmt_jax.training.print_progress import ProgressPrinter


def print_steps(printer: ProgressPrinter, first: int, last: int) -> None:
    """Print steps, the first one without a loss, then an evaluation."""
    for step in range(first, last + 1):
        printer(StepTaken(step, "nld ner", 1.5 if step > first else None), 1)
    printer(Evaluated(last, 2.0, {}), 1)
    printer.close()


def test_lines_are_printed_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_steps(ProgressPrinter("nld ner", 10, step=3, interval=0.0), 4, 7)
    out, err = capsys.readouterr()
    assert out == "step 7, 2 s\n\n"
    lines = err.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("step 5/10  nld ner: loss 1.500  ")
    assert lines[0].endswith(" steps/s")


def test_lines_wait_for_the_interval(capsys: pytest.CaptureFixture[str]) -> None:
    print_steps(ProgressPrinter("nld ner", 10, step=0, interval=1000.0), 1, 10)
    assert capsys.readouterr().err == ""


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
            print_compiling(ProgressPrinter("nld ner", 10, step=0))
            assert capsys.readouterr().err == f"compiling 1 of 2{more}\n"
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def test_a_wait_for_a_program_shows_its_seconds_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = as_terminal(monkeypatch)
    print_compiling(ProgressPrinter("nld ner", 10, step=0))
    assert " 2 s" in terminal.getvalue()
    assert "compiling 1 of 2" in terminal.getvalue()
    assert "compiling" not in terminal.getvalue().rpartition("\r")[2]


def test_bar_is_shown_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = as_terminal(monkeypatch)
    print_steps(ProgressPrinter("nld ner", 50, step=0), 1, 50)
    assert "/50" in terminal.getvalue()
    assert "nld ner: loss 1.500" in terminal.getvalue()
    assert capsys.readouterr().out == "step 50, 2 s\n\n"
