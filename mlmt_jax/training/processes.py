"""Several processes that train together: how they find each other, and what they agree on.

All read the same files and take the same steps, each on its own devices. The first process evaluates and
writes; all of them must see the run folder.
"""

import atexit
import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from mlmt_jax.errors import InputError

# What JAX's errors say if another process is gone.
_LOST = re.compile(r"Gloo|NCCL|UNAVAILABLE|DEADLINE_EXCEEDED|coordination service|closed by peer")
_ADDRESS = re.compile(r".+:[0-9]{1,5}")


def start() -> None:
    """Join the other processes; call this before anything else uses JAX.

    ``JAX_COORDINATOR_ADDRESS`` (host:port of the first process), ``JAX_NUM_PROCESSES`` and ``JAX_PROCESS_ID``
    identify the processes. What is not set, JAX finds out under Slurm, Open MPI and Kubernetes. If the
    processes do not meet within five minutes, JAX ends this one.

    Raises:
        InputError: if a variable is malformed, or JAX finds no cluster.
    """
    count, index = (_number(name) for name in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID"))
    address = os.environ.get("JAX_COORDINATOR_ADDRESS")
    if address is not None and not _ADDRESS.fullmatch(address):
        raise InputError(f"JAX_COORDINATOR_ADDRESS: got {address!r}; expected host:port of the first process")
    at = "" if address is None else f" at {address}"
    print(f"waiting{at} for the other processes, for five minutes at most", flush=True)
    try:
        jax.distributed.initialize(num_processes=count, process_id=index)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"--distributed: {str(error).splitlines()[0]};\n"
            "expected JAX_COORDINATOR_ADDRESS (host:port), JAX_NUM_PROCESSES and JAX_PROCESS_ID, or a "
            "cluster that JAX knows"
        ) from error


def _number(name: str) -> int | None:
    """Return the whole number in an environment variable, or None if it is not set.

    Raises:
        InputError: if its value is not a number of at most nine ASCII digits.
    """
    text = os.environ.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise InputError(f"{name}: got {text[:60]!r}; expected a whole number")
    return int(text)


def first_device() -> Any:
    """Return the first of JAX's devices.

    Raises:
        InputError: if there is none, for instance because ``JAX_PLATFORMS`` names an absent platform.
    """
    try:
        return jax.devices()[0]
    except (
        RuntimeError,
        AssertionError,
    ) as error:  # AssertionError: JAX knows the platform but has no device
        platforms = os.environ.get("JAX_PLATFORMS", "")
        reason = str(error).partition("\n")[0] or "no such device"
        raise InputError(
            f"JAX_PLATFORMS={platforms!r}: JAX finds no device: {reason};\n"
            "expected a platform that is there, such as 'cpu'"
        ) from None


def several() -> bool:
    """Return True if more than one process trains."""
    return jax.process_count() > 1


def is_first() -> bool:
    """Return True in the process that evaluates and writes."""
    return jax.process_index() == 0


def on_host(x: jax.Array) -> np.ndarray:
    """Return the whole of an array that may be spread over devices; all processes call this at once."""
    if x.is_fully_addressable or x.is_fully_replicated:
        return np.asarray(x)
    return np.asarray(multihost_utils.process_allgather(x, tiled=True))


def any_of(flag: bool, *, is_agreed: bool = True) -> bool:
    """Return True if ``flag`` is True in any process.

    With ``is_agreed=False``, several processes skip the communication and return False.
    """
    if not several():
        return flag
    return is_agreed and bool(any_of_each(np.array([flag]))[0])


def any_of_each(flags: np.ndarray) -> np.ndarray:
    """Return which of the flags (n,) bool are True in any process; all processes call this at once."""
    return np.any(multihost_utils.process_allgather(flags), 0) if several() else flags


def check_alike(parts: Mapping[str, bytes]) -> None:
    """Compare the inputs of all processes. All processes have to call this at once.

    Args:
        parts: SHA-256 of each input, by name. If the first one is equal in all processes, their names are.

    Raises:
        InputError: in all processes, with the name of the first input that differs.
    """
    if not several():
        return
    for name, digest in parts.items():
        gathered = multihost_utils.process_allgather(np.frombuffer(digest, np.uint8))
        if np.any(gathered != gathered[0]):
            raise InputError(
                f"--distributed: {name} is not the same in all processes;\n"
                "expected one config, and the same files, for all of them"
            )


@contextlib.contextmanager
def refusing_together() -> Iterator[None]:
    """Let all processes wait for each other at the end of the block, and stop all if one raised an error.

    Raises:
        InputError: the error of this process, or that another one met an error.
    """
    try:
        yield
    except Exception:
        any_of(True)
        raise
    if any_of(False):
        raise InputError("--distributed: another process cannot train; its own output says why")


def is_lost_process(error: BaseException) -> bool:
    """Return True if an error of JAX says that another process is gone."""
    return several() and bool(_LOST.search(str(error)))


@contextlib.contextmanager
def exit_on_failure(common: tuple[type[Exception], ...]) -> Iterator[None]:
    """Let a process whose block fails exit at once, without waiting for the others.

    At its exit JAX would wait for the others, which wait for it within a step: minutes, until all abort.
    Errors of the types ``common`` are raised by all processes together, and need no such exit.
    """
    try:
        yield
    except Exception as error:
        if several() and not isinstance(error, common):
            atexit.register(_exit)  # called before what JAX has registered
        raise


def _exit() -> None:
    """Flush the standard streams and exit with status 2 without waiting for other processes."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(2)


def wait_for_all(name: str) -> None:
    """Return when all processes have called this with the same name."""
    if several():
        multihost_utils.sync_global_devices(name)
