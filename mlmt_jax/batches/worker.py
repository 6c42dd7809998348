"""Processes that assemble batches, for devices that take them faster than one core makes them.

``python -m mlmt_jax.batches.worker`` reads, as pickles, batches by task model for each group of runs, and
then a task model and its step again and again; it answers with the batch of each group. It ends with its
input.
"""

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mlmt_jax.batches.transfer import FlatBatch, flatten

__all__ = ["Assembler"]


class Assembler:
    """A process of its own; for one thread at a time."""

    def __init__(self):
        """Starts the process.

        Raises:
            OSError: where it cannot be started.
        """
        if not sys.executable:
            raise FileNotFoundError("Python's own program is not known")
        command = [sys.executable, "-m", "mlmt_jax.batches.worker"]
        # In a session of its own, lest Ctrl-C reach it: it ends when this process does.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )

    def send(self, pickled: bytes) -> None:
        """Gives it what it reads next: at first, by group and task model, what has a method ``batch(step)``.

        Raises:
            OSError: where the process has ended.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(pickled)
        self._process.stdin.flush()

    def batches(self, name: str, step: int) -> list[FlatBatch]:
        """The batch ``step`` of a task model, of each group.

        Raises:
            OSError, EOFError, pickle.UnpicklingError: where the process has ended.
        """
        self.send(pickle.dumps((name, step)))
        assert self._process.stdout is not None
        return pickle.load(self._process.stdout)

    def kill(self) -> None:
        """Ends the process; whoever waits for its answer gets an error."""
        self._process.kill()

    def close(self) -> None:
        """Ends the process and lets go of what leads to it."""
        self.kill()
        for pipe in filter(None, (self._process.stdin, self._process.stdout)):
            with contextlib.suppress(OSError):  # what was not sent
                pipe.close()
        self._process.wait()


def _serve() -> None:
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed is no answer
    groups: Sequence[Mapping[str, Any]] = pickle.load(source)
    while True:
        name, step = pickle.load(source)
        pickle.dump([flatten(own[name].batch(step)) for own in groups], sink, pickle.HIGHEST_PROTOCOL)
        sink.flush()


if __name__ == "__main__":
    with contextlib.suppress(EOFError, BrokenPipeError, pickle.UnpicklingError):
        _serve()
    os._exit(0)  # with nothing left to write: nobody reads
