"""Peak memory: of this process, of its device, and of one call in a process of its own."""

import ctypes
import gc
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import jax

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_LONG = 5.0  # seconds


def peak_mebibytes() -> float:
    """Return the peak resident memory of this process, in MiB, without that of a device."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def device_peak_mebibytes() -> float | None:
    """Return the peak memory of the first device, in MiB; None if it has no memory of its own."""
    peak = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    return peak / 2**20 if peak else None


def peak_growth(build: Callable[..., Callable[[], Any]], *args: Any, preload: list[str]) -> int | None:
    """Measure by how much the resident memory of a new process grows while ``build(*args)()`` runs.

    The first call loads libraries and starts threads: it does not count unless it takes long.

    Args:
        build: prepares the call, which does not count either; importable by name.
        args: arguments of ``build`` that can be pickled.
        preload: modules that all such processes import; they are imported once.

    Returns:
        Bytes, the outputs included; None if the operating system does not report them.
    """
    if not (_STATUS.exists() and _CLEAR.exists()):
        return None
    # A fork server's processes start small and fast: it imports the common modules once.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(preload)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_growth, build, args).result()


def _growth(build: Callable[..., Callable[[], Any]], args: tuple[Any, ...]) -> int:
    """Return the growth of this process in bytes."""
    run = build(*args)
    before, start = _reset_peak(), time.perf_counter()
    run()
    if time.perf_counter() - start < _LONG:
        before = _reset_peak()
        for _ in range(2):
            run()
    return _status("VmHWM") - before


def _reset_peak() -> int:
    """Return free memory to the system, reset the recorded peak, and return the bytes in use."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    _CLEAR.write_text("5")
    return _status("VmRSS")


def _status(key: str) -> int:
    """Return a field of /proc/self/status in bytes."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{key}:"):
            return 1024 * int(line.split()[1])
    raise KeyError(key)
