"""Silencing of orbax and tensorstore: a failed write is reported once, by the error that it raises."""

import contextlib
import logging
from collections.abc import Iterator

# Writes in progress, and failed ones: their late callbacks still log tracebacks after the error was raised.
_silenced_writes: set[object] = set()


@contextlib.contextmanager
def silence_logs() -> Iterator[None]:
    """Drop the log records of orbax, tensorstore and asyncio during the block, and for good if it raises."""
    write = object()
    _silenced_writes.add(write)
    for name in ("absl", "asyncio"):
        logging.getLogger(name).addFilter(_passes)
    yield
    _silenced_writes.remove(write)


def _passes(_: logging.LogRecord) -> bool:
    """Return True if no write is silenced (a filter of ``logging``)."""
    return not _silenced_writes
