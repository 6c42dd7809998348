"""The batches of the steps to come, assembled while the device is busy."""

import os
import pickle
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from mlmt_jax.batches.transfer import Packed, pack
from mlmt_jax.batches.worker import Assembler

__all__ = ["BatchesAhead", "default_processes"]

_MOST_PROCESSES = 8

# Bytes of what batches are assembled from, pickled, of all processes together; unpickled they are several
# times as many.
_MOST_BYTES = 1 << 29


def default_processes(platform: str) -> int | None:
    """How many processes assemble batches beside this one; None: none, and nothing is assembled ahead.

    A CPU's steps take longer than assembling, and need every core. A GPU takes batches faster than one core
    makes them, those of many runs above all.
    """
    if platform == "cpu":
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MOST_PROCESSES, cores // 2)


class BatchesAhead:
    """Batches in the order in which they are drawn; which ones is decided by the draws alone."""

    def __init__(
        self,
        groups: Sequence[Mapping[str, Any]],
        draws: Iterator[Any],
        place: Callable[[list[Any]], Any] = lambda batches: batches,
        processes: int | None = None,
    ):
        """Starts to assemble.

        Args:
            groups: of runs; for each, by task model, what has a method ``batch(step)``.
            draws: the task model of each step, and which of its own steps that is.
            place: puts the batches of a step, of each group, where they are wanted.
            processes: how many may assemble. 0: a thread of this one does. Either way batches come as
                ``Packed``. None: nothing is assembled before it is asked for, as ``Batch``; then ``draws`` is
                not looked at.
        """
        self._groups, self._draws, self._place = groups, draws, place
        self._coming: deque[tuple[tuple[str, int], Future[Any]]] = deque()
        self._own, self._assemblers = threading.local(), list[Assembler]()
        self._is_closed = self._is_told = False
        self._lock, self._served = threading.Lock(), 0  # processes that have what they need, or are lost
        self._processes = 0
        if processes:
            pickled = pickle.dumps(groups, pickle.HIGHEST_PROTOCOL)
            self._processes = min(processes, _MOST_BYTES // len(pickled))
            self._pickled = pickled if self._processes else b""
        self._pool = None if processes is None else ThreadPoolExecutor(max(1, self._processes), "batches")
        for _ in range(0 if processes is None else self._processes + 2):
            self._order()

    def take(self, name: str, step: int) -> Any:
        """What ``place`` made of the next batches, which are those of this task model and its step."""
        if self._pool is None:
            return self._place([own[name].batch(step) for own in self._groups])
        drawn, batches = self._coming.popleft()
        if drawn != (name, step):
            raise ValueError(f"asked for the batch of {(name, step)}; expected {drawn}, which was drawn")
        self._order()
        return batches.result()

    def __iter__(self):
        return self

    def __next__(self):
        if self._pool is None:
            planned = next(self._draws)
            return planned, self.take(planned.task, planned.task_step)
        planned = self._coming[0][0]
        _, batches = self._coming.popleft()
        self._order()
        return planned, batches.result()

    def close(self) -> None:
        """Ends threads and processes, whatever these are at."""
        self._is_closed = True
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            for assembler in self._assemblers:
                assembler.kill()
            self._pool.shutdown()
        for assembler in self._assemblers:
            assembler.close()

    def _order(self) -> None:
        assert self._pool is not None
        drawn = next(self._draws)
        self._coming.append((drawn, self._pool.submit(self._made, *drawn[-2:])))

    def _made(self, name: str, step: int) -> Any:
        batches = self._by_process(name, step)
        if self._is_closed:
            return None
        return self._place(batches or [pack(own[name].batch(step)) for own in self._groups])

    def _by_process(self, name: str, step: int) -> list[Packed] | None:
        """The batches of each group by the process of this thread; None where it has none, or has lost it."""
        if not self._processes or getattr(self._own, "is_alone", False):
            return None
        try:
            if not hasattr(self._own, "assembler"):
                try:
                    self._own.assembler = self._started()
                finally:
                    with self._lock:
                        self._served += 1
                        if self._served == self._processes:
                            self._pickled = b""
            return self._own.assembler.batches(name, step)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            self._own.is_alone = True
            if not (self._is_closed or self._is_told):
                self._is_told = True
                told = f"{type(error).__name__} {error}".strip()
                print(f"warning: a process that assembles batches is lost ({told}); steps may take longer",
                      file=sys.stderr)  # fmt: skip
            return None

    def _started(self) -> Assembler:
        assembler = Assembler()
        self._assemblers.append(assembler)
        if self._is_closed:  # without having seen this one
            assembler.kill()
        assembler.send(self._pickled)
        return assembler
