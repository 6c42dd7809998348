"""Ctrl-C and SIGTERM: the first asks a run to stop at its next step, the second ends it at once."""

import signal
import threading
from types import FrameType
from typing import Any

__all__ = ["StopRequest", "Stopped"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """A run was asked to stop, and has saved its state."""

    def __init__(self, signum: int, step: int):
        super().__init__(f"stopped by signal {signum} at step {step}")
        self.signum, self.step = signum, step


class StopRequest:
    """A context in which the signals are noted in ``signum`` (None: none yet) and nothing else.

    Python gives signals to the main thread alone; in others this is never asked to stop.
    """

    def __init__(self):
        self.signum: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for signum in _SIGNALS:
                before = signal.getsignal(signum)
                # Ignored: the shell does so for processes in the background. None: not Python's to put back.
                if before not in (signal.SIG_IGN, None):
                    self._before[signum] = signal.signal(signum, self._note)
        return self

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self.signum = signum
        for known in self._before:
            signal.signal(known, signal.SIG_DFL)

    def __exit__(self, *exception: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
