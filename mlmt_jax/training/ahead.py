"""The batches of the steps to come, assembled while the device is busy."""

import contextlib
import os
import pickle
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax

from mlmt_jax.data.assembler import Assembler
from mlmt_jax.data.packed import Packed, pack

__all__ = ["BatchesAhead", "default_processes"]

_MOST_PROCESSES = 8

# Each process has its own copy of what batches are assembled from; together they have no more than this.
_MOST_BYTES = 2 << 30


def default_processes() -> int | None:
    """How many processes assemble batches beside this one; None where they had better not be ahead.

    A CPU's steps take longer than assembling, and need every core. A GPU's are as short as that, and side by
    side, many runs' are not longer than one's.
    """
    if jax.default_backend() == "cpu":
        return None
    return min(_MOST_PROCESSES, (os.cpu_count() or 1) // 2)


class BatchesAhead:
    """Batches in the order in which they are drawn; which ones is decided by the draws alone."""

    def __init__(
        self,
        groups: Sequence[Mapping[str, Any]],
        draws: Iterator[tuple[str, int]],
        place: Callable[[list[Any]], Any] = lambda batches: batches,
        processes: int | None = None,
    ):
        """Starts to assemble.

        Args:
            groups: of runs; for each, by task model, what has a method ``batch(step)``.
            draws: the task model of each step, and which of its own steps that is.
            place: puts the batches of a step, of each group, where they are wanted.
            processes: that assemble, 0 for a thread alone, and then batches come as ``Packed``; None for
                this thread, when they are asked for, as ``Batch``.
        """
        self._groups, self._draws, self._place = groups, draws, place
        self._coming: deque[tuple[tuple[str, int], Future[Any]]] = deque()
        self._own, self._assemblers = threading.local(), list[Assembler]()
        if processes:
            self._pickled = pickle.dumps(groups, pickle.HIGHEST_PROTOCOL)
            processes = min(processes, max(1, _MOST_BYTES // len(self._pickled)))
        self._processes = processes or 0
        self._pool = None if processes is None else ThreadPoolExecutor(max(1, processes), "batches")
        for _ in range(0 if processes is None else processes + 2):
            self._order()

    def take(self, name: str, step: int) -> Any:
        """What ``place`` made of the next batches, which are those of this task model and its step."""
        if self._pool is None:
            return self._place([own[name].batch(step) for own in self._groups])
        drawn, batches = self._coming.popleft()
        assert drawn == (name, step), f"step {drawn} was drawn, not {(name, step)}"
        self._order()
        return batches.result()

    def close(self) -> None:
        """Ends threads and processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        for assembler in self._assemblers:
            assembler.close()

    def _order(self) -> None:
        assert self._pool is not None
        drawn = next(self._draws)
        self._coming.append((drawn, self._pool.submit(self._made, *drawn)))

    def _made(self, name: str, step: int) -> Any:
        batches = self._by_process(name, step)
        return self._place(batches or [pack(own[name].batch(step)) for own in self._groups])

    def _by_process(self, name: str, step: int) -> list[Packed] | None:
        """The batches of each group by the process of this thread; None where it has none, or has lost it."""
        if not self._processes or getattr(self._own, "is_alone", False):
            return None
        with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
            if not hasattr(self._own, "assembler"):
                self._own.assembler = Assembler(self._pickled)
                self._assemblers.append(self._own.assembler)
                if len(self._assemblers) == self._processes:
                    self._pickled = b""  # all have it
            return self._own.assembler.batches(name, step)
        self._own.is_alone = True
        return None
