"""Several processes that train together: how they find each other, and what they agree on.

All read the same files and take the same steps, each on its own devices. The first one evaluates and writes;
the run folder has to be one that all of them see.
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

__all__ = [
    "any_of",
    "any_of_each",
    "check_alike",
    "first_device",
    "is_first",
    "is_of_others",
    "leaving_others",
    "on_host",
    "refusing_together",
    "several",
    "start",
    "wait_for_all",
]

_LOST = re.compile(r"Gloo|NCCL|UNAVAILABLE|DEADLINE_EXCEEDED|coordination service|closed by peer")
_ADDRESS = re.compile(r".+:[0-9]{1,5}")


def start() -> None:
    """Joins the other processes; call it before anything else uses JAX.

    ``JAX_COORDINATOR_ADDRESS``, ``JAX_NUM_PROCESSES`` and ``JAX_PROCESS_ID`` say where the first process
    listens, how many there are and which one this is; what is not set, JAX finds out itself under Slurm,
    Open MPI and Kubernetes. Where the processes do not meet within five minutes, JAX ends this one.

    Raises:
        InputError: where that is not to be found out.
    """
    count, own = (_number(name) for name in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID"))
    address = os.environ.get("JAX_COORDINATOR_ADDRESS")
    if address is not None and not _ADDRESS.fullmatch(address):
        raise InputError(f"JAX_COORDINATOR_ADDRESS: got {address!r}; expected host:port of the first process")
    at = "" if address is None else f" at {address}"
    print(f"waiting{at} for the other processes, for five minutes at most", flush=True)
    try:
        jax.distributed.initialize(num_processes=count, process_id=own)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"--distributed: {str(error).splitlines()[0]};\n"
            "expected JAX_COORDINATOR_ADDRESS (host:port), JAX_NUM_PROCESSES and JAX_PROCESS_ID, or a "
            "cluster that JAX knows"
        ) from error


def _number(name: str) -> int | None:
    text = os.environ.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise InputError(f"{name}: got {text[:60]!r}; expected a whole number")
    return int(text)


def first_device() -> Any:
    """The device that JAX uses, of several the first.

    Raises:
        InputError: where it finds none, as where JAX_PLATFORMS names one that is not there.
    """
    try:
        return jax.devices()[0]
    except (RuntimeError, AssertionError) as error:  # the latter where it knows the platform
        asked = os.environ.get("JAX_PLATFORMS", "")
        reason = str(error).partition("\n")[0] or "no such device"
        raise InputError(
            f"JAX_PLATFORMS={asked!r}: JAX finds no device: {reason};\n"
            "expected a platform that is there, such as 'cpu'"
        ) from None


def several() -> bool:
    """Whether there is more than this process."""
    return jax.process_count() > 1


def is_first() -> bool:
    """Whether this is the process that writes what belongs to all."""
    return jax.process_index() == 0


def on_host(x: jax.Array) -> np.ndarray:
    """The whole of an array, whichever devices it is on. All processes ask at once."""
    if x.is_fully_addressable or x.is_fully_replicated:
        return np.asarray(x)
    return np.asarray(multihost_utils.process_allgather(x, tiled=True))


def any_of(flag: bool, *, here: bool = True) -> bool:
    """Whether it is true in any process. Where it is not asked ``here``, several processes say no."""
    if not several():
        return flag
    return here and bool(any_of_each(np.array([flag]))[0])


def any_of_each(flags: np.ndarray) -> np.ndarray:
    """Which of some flags (n,) bool are true in any process. All processes ask at once."""
    return np.any(multihost_utils.process_allgather(flags), 0) if several() else flags


def check_alike(parts: Mapping[str, bytes]) -> None:
    """Has all processes compare what they were given. All have to call it at once.

    Args:
        parts: the SHA-256 of each part, by name; the same parts everywhere if the first one is the same.

    Raises:
        InputError: in all of them, naming the first part that is not the same everywhere.
    """
    if not several():
        return
    for name, digest in parts.items():
        every = multihost_utils.process_allgather(np.frombuffer(digest, np.uint8))
        if np.any(every != every[0]):
            raise InputError(
                f"--distributed: {name} is not the same in all processes;\n"
                "expected one config, and the same files, for all of them"
            )


@contextlib.contextmanager
def refusing_together() -> Iterator[None]:
    """Has all processes wait for each other at its end, and none go on where one met an error.

    Raises:
        InputError: its own, or that another process met an error.
    """
    try:
        yield
    except Exception:
        any_of(True)
        raise
    if any_of(False):
        raise InputError("--distributed: another process cannot train; its own output says why")


def is_of_others(error: BaseException) -> bool:
    """Whether an error of JAX says that another process is gone."""
    return several() and bool(_LOST.search(str(error)))


@contextlib.contextmanager
def leaving_others(together: tuple[type[Exception], ...]) -> Iterator[None]:
    """Has a process that fails end when it has said so, whatever the others are at.

    At its end JAX would wait for the others, and they wait for it within a step: minutes, until all abort.
    What all processes raise ``together`` is left alone.
    """
    try:
        yield
    except Exception as error:
        if several() and not isinstance(error, together):
            atexit.register(_end)  # called before what JAX has registered
        raise


def _end() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(2)


def wait_for_all(name: str) -> None:
    """Returns when all processes have come here."""
    if several():
        multihost_utils.sync_global_devices(name)
