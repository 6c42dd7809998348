"""A fuzzing campaign: many seeded cases of one target, each of which can be run again alone."""

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
_MAX_FAILURES = 8  # failures in the message
_ONLY = os.environ.get("MLMT_JAX_FUZZ_CASE")  # the number of one case to run again

Case = Callable[[Random], tuple[Any, Callable[[], object]]]


class _Hang(BaseException):
    """A case that takes too long; no Exception, since readers catch OSError, such as TimeoutError."""


def run_campaign(name: str, share: float, case: Case, *, seconds: int = 10) -> None:
    """Run a target's share of all cases, and fail if any of them crash, hang or give an unreadable message.

    Args:
        name: the target; together with the number of a case it is the seed.
        share: share of all cases, in (0, 1].
        case: makes a case from a seeded generator: a description, and a function that may raise InputError.
        seconds: time limit of one case.
    """
    numbers = range(max(1, round(share * _CASES))) if _ONLY is None else [int(_ONLY)]
    failures = []
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
            failures.append(_failure(name, number, description, problem))
    assert not failures, f"{len(failures)} of {len(numbers)} cases\n" + "\n".join(failures[:_MAX_FAILURES])


def assert_readable(message: str) -> None:
    """Assert that a message has one or two lines, at most 2000 characters and no control characters."""
    assert _unreadable(message) is None


def _unreadable(message: str) -> str | None:
    lines = message.split("\n")
    if len(lines) > 2:
        return f"a message of {len(lines)} lines: {message!r}"
    odd = [c for line in lines for c in line if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    if odd:
        return f"a message with {odd[0]!r}: {message!r}"
    return f"a message of {len(message)} characters: {message[:500]!r}" if len(message) > 2000 else None


def _failure(name: str, number: int, description: Any, problem: str) -> str:
    text = repr(description)
    clipped = text if len(text) < 1000 else f"{text[:500]} ... {text[-500:]}"
    return (
        f"{name}, case {number}: {problem[:2000]}\n"
        f"MLMT_JAX_FUZZ_CASE={number} runs this case alone (pytest -k {name})\n{clipped}"
    )


@contextmanager
def _limit(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _Hang(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
