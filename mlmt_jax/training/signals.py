"""Signals: the first Ctrl-C or SIGTERM asks a training to stop after its step, the second ends it at once."""

import os
import signal
import threading
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TrainingStopped(Exception):  # noqa: N818 - nothing went wrong
    """A training that was stopped by a signal and has saved its state."""

    def __init__(self, signum: int, step: int):
        super().__init__(f"stopped by signal {signum} at step {step}")
        self.signum, self.step = signum, step


class StopRequest:
    """A context in which a signal is only noted, in ``signum`` (None: none yet).

    Python delivers signals to the main thread; in other threads nothing is noted.
    """

    def __init__(self):
        self.signum: int | None = None
        self._handlers: dict[int, Any] = {}  # those to restore

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for signum in _SIGNALS:
                handler = signal.getsignal(signum)
                # A shell lets processes in the background ignore signals; None is a handler outside Python.
                if handler not in (signal.SIG_IGN, None):
                    self._handlers[signum] = signal.signal(signum, self._note)
        return self

    def _note(self, signum: int, frame: FrameType | None) -> None:
        """Note a signal, and restore the default effect of all, so that a second one ends the process."""
        self.signum = signum
        # Not print: the signal may have come while that was writing.
        os.write(2, b"\nstopping after this step; Ctrl-C again ends at once\n")
        for signal_number in self._handlers:
            signal.signal(signal_number, signal.SIG_DFL)

    def __exit__(self, *exception: object) -> None:
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)
