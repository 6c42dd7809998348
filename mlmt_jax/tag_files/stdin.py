"""A byte stream that says when reading it would have to wait."""

import io
import select
from collections.abc import Callable
from typing import Any, BinaryIO

__all__ = ["telling_waits"]

# A pipe whose other end is busy writing is empty for moments; a person or a program that waits for an
# answer waits so much longer.
_PATIENCE = 0.01  # seconds


def telling_waits(stream: BinaryIO, before_waiting: Callable[[], None]) -> BinaryIO:
    """The same bytes, with ``before_waiting()`` called each time when none are there yet.

    A stream that cannot be asked, such as one in memory, is taken for one that is never waited for.
    """
    try:
        descriptor = stream.fileno()
        select.select([descriptor], [], [], 0)
    except (OSError, ValueError):
        return stream
    return io.BufferedReader(_TellingWaits(getattr(stream, "raw", stream), descriptor, before_waiting))  # type: ignore[return-value]


class _TellingWaits(io.RawIOBase):
    def __init__(self, raw: Any, descriptor: int, before_waiting: Callable[[], None]):
        self._raw, self._descriptor, self._before_waiting = raw, descriptor, before_waiting

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        if not select.select([self._descriptor], [], [], _PATIENCE)[0]:
            self._before_waiting()
        return self._raw.readinto(buffer)
