"""Prefetching: the batches of the next steps are assembled while the device is busy."""

import os
import pickle
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any

from mlmt_jax.batches.transfer import FlatBatch, flatten
from mlmt_jax.batches.worker import Worker

_MOST_WORKERS = 8

# Bytes of the pickled training batches of all worker processes together; unpickled they take several times
# as many.
_MOST_BYTES = 1 << 29


def default_workers(platform: str) -> int | None:
    """Return the number of worker processes for a JAX platform: 0 for a thread, None for no prefetching.

    Steps on a CPU take longer than assembling, and use every core. A GPU steps faster than one core
    assembles, above all for many replicas.
    """
    if platform == "cpu":
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MOST_WORKERS, cores // 2)


class PrefetchedBatches(Iterator[tuple[Any, Any]]):
    """An iterator over planned steps and their batches, which it assembles in advance; close it at the end.

    If a worker process is lost, or cannot be started, threads of this process assemble its batches instead,
    after one warning.
    """

    def __init__(
        self,
        groups: Sequence[Mapping[str, Any]],
        plan: Iterator[Any],
        place: Callable[[list[Any]], Any] = lambda batches: batches,
        workers: int | None = None,
    ):
        """Start to assemble.

        Args:
            groups: for each group of replicas, by task model, an object with a method ``batch(step)``.
            plan: the steps, without end; each has ``task``, the name of a task model, and ``task_step``.
            place: function of the batches of all groups, which returns what a step takes.
            workers: number of worker processes; with 0, a thread of this process assembles. In both cases
                ``place`` receives each batch as a ``FlatBatch``. With None, batches are assembled when they
                are asked for, as a ``Batch``.
        """
        self._groups, self._plan, self._place = groups, plan, place
        self._pending: deque[tuple[Any, Future[Any]]] = deque()
        self._workers, self._idle = list[Worker](), SimpleQueue[Worker]()
        self._lock, self._is_closed, self._has_warned = threading.Lock(), False, False
        self._pool = None
        if workers is None:
            return
        pickled = pickle.dumps(groups, pickle.HIGHEST_PROTOCOL) if workers else b""
        workers = min(workers, _MOST_BYTES // max(len(pickled), 1))
        self._pool = ThreadPoolExecutor(max(1, workers), "batches")
        for _ in range(workers):
            try:
                self._workers.append(Worker())
            except OSError as error:
                self._warn(error)
                break
            self._pool.submit(self._initialise, self._workers[-1], pickled)
        for _ in range(workers + 2):
            self._submit_next()

    def __next__(self) -> tuple[Any, Any]:
        """Return the next step of the plan and its batches, as ``place`` returned them."""
        if self._pool is None:
            step = next(self._plan)
            return step, self._place([group[step.task].batch(step.task_step) for group in self._groups])
        step, batches = self._pending.popleft()
        self._submit_next()
        return step, batches.result()

    def close(self) -> None:
        """End all threads and worker processes at once."""
        self._is_closed = True
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            for worker in self._workers:
                worker.process.kill()
            self._pool.shutdown()
        for worker in self._workers:
            worker.close()

    def _submit_next(self) -> None:
        """Submit the next step of the plan to the thread pool."""
        assert self._pool is not None
        step = next(self._plan)
        self._pending.append((step, self._pool.submit(self._assemble, step.task, step.task_step)))

    def _assemble(self, task: str, task_step: int) -> Any:
        """Assemble and place the batches of a step; runs in the thread pool."""
        batches = self._assemble_in_worker(task, task_step)
        if self._is_closed:
            return None
        return self._place(batches or [flatten(group[task].batch(task_step)) for group in self._groups])

    def _assemble_in_worker(self, task: str, task_step: int) -> list[FlatBatch] | None:
        """Return the batches from an idle worker process, or None if there is none or it has ended."""
        try:
            worker = self._idle.get_nowait()
            batches = worker.batches(task, task_step)
            self._idle.put(worker)
            return batches
        except Empty:
            return None
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            return self._warn(error)

    def _initialise(self, worker: Worker, pickled: bytes) -> None:
        """Send the training batches to a worker process; runs in the thread pool."""
        try:
            worker.send(pickled)
            self._idle.put(worker)
        except OSError as error:
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        """Print the loss of a worker process, once."""
        with self._lock:
            is_silent, self._has_warned = self._is_closed or self._has_warned, True
        if not is_silent:
            message = f"a worker process that assembles batches is lost ({error!r}); steps may take longer"
            print(f"warning: {message}", file=sys.stderr)
