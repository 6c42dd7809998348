"""Many seeded cases of one target: how many, which bytes, what may come of them, how one is run again."""

import os
import signal
import traceback
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from mlmt_jax.errors import InputError

__all__ = ["assert_readable", "run_campaign"]

_CASES = int(os.environ.get("MLMT_JAX_FUZZ", "500"))  # of all targets together
_TOLD = 8  # of the cases that fail
_ONLY = os.environ.get("MLMT_JAX_FUZZ_CASE")  # the number of one case to run again

Case = Callable[[Random], tuple[Any, Callable[[], object]]]


class _Hang(BaseException):
    """Not an Exception, and no OSError least of all, which readers take for a file's."""


def run_campaign(name: str, share: float, case: Case, *, seconds: int = 10) -> None:
    """Runs a target's share of all cases.

    Args:
        name: of the target; with the number of a case it is the seed.
        share: of all cases, in (0, 1].
        case: from a seeded generator, what shows the case, and what runs it: that may raise InputError.
        seconds: that one case may take.
    """
    numbers = range(max(1, round(share * _CASES))) if _ONLY is None else [int(_ONLY)]
    told = []
    for number in numbers:
        shown, attempt = case(Random(f"{name} {number}"))
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
            told.append(_told(name, number, shown, problem))
    assert not told, f"{len(told)} of {len(numbers)} cases\n" + "\n".join(told[:_TOLD])


def assert_readable(message: str) -> None:
    """One or two lines without control characters, and not endless ones."""
    assert _unreadable(message) is None


def _unreadable(message: str) -> str | None:
    lines = message.split("\n")
    if len(lines) > 2:
        return f"a message of {len(lines)} lines: {message!r}"
    odd = [c for line in lines for c in line if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    if odd:
        return f"a message with {odd[0]!r}: {message!r}"
    return f"a message of {len(message)} characters: {message[:500]!r}" if len(message) > 2000 else None


def _told(name: str, number: int, shown: Any, problem: str) -> str:
    text = repr(shown)
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
