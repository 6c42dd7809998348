"""The progress that is printed during a training."""

import io
import sys
from typing import Any

import pytest

from mlmt_jax.training.events import Evaluated, StepTaken
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


def test_bar_is_shown_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal: Any = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    print_steps(ProgressPrinter("nld ner", 50, step=0), 1, 50)
    assert "/50" in terminal.getvalue()
    assert "nld ner: loss 1.500" in terminal.getvalue()
    assert capsys.readouterr().out == "step 50, 2 s\n\n"
