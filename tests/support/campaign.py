"""Fuzzing campaigns: many seeded cases of one target, each of which can be run again alone."""

import os
import signal
import traceback
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from mlmt_jax.errors import InputError

_CASES = int(os.environ.get("MLMT_JAX_FUZZ", "500"))  # of all targets together
_MAX_REPORTS = 8  # failures that are reported
_ONLY = os.environ.get("MLMT_JAX_FUZZ_CASE")  # the number of a case to run alone

#: From a seeded generator, a description of the case and a function that runs it.
Case = Callable[[Random], tuple[Any, Callable[[], object]]]


class _Hang(BaseException):
    """A case that exceeds its time. Not an Exception: readers report an OSError as a problem of the file."""


def run_campaign(name: str, share: float, case: Case, *, seconds: int = 10) -> None:
    """Run a target's cases; each must succeed or raise an InputError with a readable message.

    Args:
        name: the target. Its name and the number of a case are the seed of the case.
        share: the share of all cases, in (0, 1].
        case: draws a case.
        seconds: the time limit of one case.

    Raises:
        AssertionError: with a report of the cases that failed.
    """
    numbers = range(max(1, round(share * _CASES))) if _ONLY is None else [int(_ONLY)]
    reports = []
    for number in numbers:
        description, attempt = case(Random(f"{name} {number}"))
        problem = None
        try:
            with _limit(seconds):
                attempt()
        except InputError as error:
            problem = _unreadable(str(error))
        except (Exception, _Hang) as error:
            if _ONLY is not None:
                raise
            problem = "".join(traceback.format_exception(error)[-3:])
        if problem:
            reports.append(_report(name, number, description, problem))
    assert not reports, f"{len(reports)} of {len(numbers)} cases\n" + "\n".join(reports[:_MAX_REPORTS])


def assert_readable(message: str) -> None:
    """Check that a message has one or two lines, no control characters and at most 2000 characters."""
    assert _unreadable(message) is None


def _unreadable(message: str) -> str | None:
    """Return why a message is not readable; None if it is."""
    lines = message.split("\n")
    if len(lines) > 2:
        return f"a message of {len(lines)} lines: {message!r}"
    odd = [c for line in lines for c in line if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    if odd:
        return f"a message with {odd[0]!r}: {message!r}"
    return f"a message of {len(message)} characters: {message[:500]!r}" if len(message) > 2000 else None


def _report(name: str, number: int, description: Any, problem: str) -> str:
    """Return the report of a case that failed, with the command that runs it alone."""
    text = repr(description)
    clipped = text if len(text) < 1000 else f"{text[:500]} ... {text[-500:]}"
    return (
        f"{name}, case {number}: {problem[:2000]}\n"
        f"MLMT_JAX_FUZZ_CASE={number} runs this case alone (pytest -k {name})\n{clipped}"
    )


@contextmanager
def _limit(seconds: int) -> Iterator[None]:
    """Raise `_Hang` if the context takes longer than `seconds`."""

    def stop(*_: object) -> None:
        raise _Hang(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
