"""Writes of orbax that fail without its own reports and tensorstore's: the error says it in one line."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["silent"]

# Writes that go on, of several runs at a time, and those that failed. Of these some arrays are still on
# their way, and each tells with a traceback that the event loop is closed which it should end in.
_writes: set[object] = set()


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Without the logs, which tell with a traceback of what is raised as well; for good where it is."""
    own = object()
    _writes.add(own)
    for name in ("absl", "asyncio"):
        logging.getLogger(name).addFilter(_is_told)
    _hear_unraisable()
    yield
    _writes.remove(own)


def _is_told(_: logging.LogRecord) -> bool:
    return not _writes


def _hear_unraisable() -> None:
    hook = sys.unraisablehook
    if getattr(hook, "__module__", None) == __name__:  # it does so already
        return

    def tell(found: Any) -> None:
        if not _writes or str(found.exc_value) != "Event loop is closed":
            hook(found)

    sys.unraisablehook = tell
