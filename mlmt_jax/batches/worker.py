"""Worker processes that assemble batches, for devices that step faster than one core assembles.

``python -m mlmt_jax.batches.worker`` reads pickles from its standard input: first, for each group of
replicas, the training batches by task model; then (task model, step) again and again. It writes the pickled
flat batches of all groups to its standard output. It ends with its input.
"""

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mlmt_jax.batches.transfer import FlatBatch, flatten


class Worker:
    """A worker process; used by one thread at a time, which gets an error if ``process`` is killed."""

    def __init__(self):
        """Start the process.

        Raises:
            OSError: if it cannot be started.
        """
        if not sys.executable:
            raise FileNotFoundError("the path of the Python interpreter is unknown")
        command = [sys.executable, "-m", "mlmt_jax.batches.worker"]
        # In a session of its own, which Ctrl-C does not reach: it ends when this process does.
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True)
        self._requests: Any = self.process.stdin
        self._answers: Any = self.process.stdout

    def send(self, pickled: bytes) -> None:
        """Send a pickle to the process: first, the training batches by group and task model.

        Raises:
            OSError: if the process has ended.
        """
        self._requests.write(pickled)
        self._requests.flush()

    def batches(self, task: str, step: int) -> list[FlatBatch]:
        """Return batch ``step`` (from 0) of a task model for each group.

        Raises:
            OSError, EOFError, pickle.UnpicklingError: if the process has ended.
        """
        self.send(pickle.dumps((task, step)))
        return pickle.load(self._answers)

    def close(self) -> None:
        """Kill the process and close its pipes."""
        self.process.kill()
        for pipe in (self._requests, self._answers):
            with contextlib.suppress(OSError):  # unsent bytes
                pipe.close()
        self.process.wait()


def _serve(source: Any, sink: Any) -> None:
    """Answer requests from one binary stream on another until the first ends."""
    groups: Sequence[Mapping[str, Any]] = pickle.load(source)
    while True:
        task, step = pickle.load(source)
        pickle.dump([flatten(group[task].batch(step)) for group in groups], sink, pickle.HIGHEST_PROTOCOL)
        sink.flush()


if __name__ == "__main__":
    # A global: if it were collected before the process ends, its unsent bytes would raise once more.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # anything that is printed would damage the answers
    with contextlib.suppress(EOFError, BrokenPipeError, pickle.UnpicklingError):
        _serve(sys.stdin.buffer, sink)
    os._exit(0)  # without flushing: nobody reads
