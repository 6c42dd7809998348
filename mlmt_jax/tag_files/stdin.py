"""A byte stream that calls a function before a read that would wait for more input."""

import io
import select
from collections.abc import Callable
from typing import Any, BinaryIO

# While the other end of a pipe is writing, the pipe is empty for moments. A person or a program that waits
# for an answer sends nothing for longer than this.
_PATIENCE = 0.01  # seconds


def call_before_waiting(stream: BinaryIO, before_waiting: Callable[[], None]) -> BinaryIO:
    """Return a stream of the same bytes that calls `before_waiting` each time it has to wait for more.

    A wait is one of more than 0.01 s. A stream without a file descriptor to select on, such as one in memory,
    is returned as it is, and `before_waiting` is never called. What the result has read is lost for `stream`.

    Args:
        stream: a binary stream from which nothing has been read.
        before_waiting: called without arguments, in the thread that reads.
    """
    try:
        descriptor = stream.fileno()
        select.select([descriptor], [], [], 0)
    except (OSError, ValueError):
        return stream
    return io.BufferedReader(_WaitingStream(getattr(stream, "raw", stream), descriptor, before_waiting))  # type: ignore[return-value]


class _WaitingStream(io.RawIOBase):
    """A raw stream that calls a function if no byte arrives within `_PATIENCE`."""

    def __init__(self, raw: Any, descriptor: int, before_waiting: Callable[[], None]):
        """Wrap a raw stream; `descriptor` is its file descriptor, on which `select` waits."""
        self._raw, self._descriptor, self._before_waiting = raw, descriptor, before_waiting

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        """Read into a buffer as the raw stream does; before that, call the function if no byte arrives."""
        if not select.select([self._descriptor], [], [], _PATIENCE)[0]:
            self._before_waiting()
        return self._raw.readinto(buffer)
