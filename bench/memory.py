"""How much memory a call needs, measured in a process of its own."""

import ctypes
import gc
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

__all__ = ["peak_growth"]

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_LONG = 5.0  # seconds


def peak_growth(build: Callable[..., Callable[[], Any]], *args: Any, preload: list[str]) -> int | None:
    """Bytes by which the resident memory of a fresh process grows at most while ``build(*args)()`` runs.

    The first call, which loads libraries and starts threads, does not count unless it takes long.

    Args:
        build: importable by name; prepares the call, which does not count either.
        args: that can be pickled.
        preload: modules that all such processes have in common; they are imported once.

    Returns:
        Bytes, the outputs included; None where the system does not tell.
    """
    if not (_STATUS.exists() and _CLEAR.exists()):
        return None
    # Processes forked by a server start small and soon: what they have in common is imported once.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(preload)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_growth, build, args).result()


def _growth(build: Callable[..., Callable[[], Any]], args: tuple[Any, ...]) -> int:
    run = build(*args)
    before, start = _start(), time.perf_counter()
    run()
    if time.perf_counter() - start < _LONG:
        before = _start()
        for _ in range(2):
            run()
    return _status("VmHWM") - before


def _start() -> int:
    """Gives free memory back, forgets the peak so far, and returns the bytes in use."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    _CLEAR.write_text("5")
    return _status("VmRSS")


def _status(key: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{key}:"):
            return 1024 * int(line.split()[1])
    raise KeyError(key)
