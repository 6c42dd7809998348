"""Several processes that train together: how they find each other, and what they agree on.

All read the same files and take the same steps, each on its own devices. The first one evaluates and writes;
the run folder has to be one that all of them see.
"""

import os
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from mlmt_jax.errors import InputError

__all__ = ["any_of", "first_device", "is_first", "on_host", "several", "start", "wait_for_all"]


def start() -> None:
    """Joins the other processes; call it before anything else uses JAX.

    ``JAX_COORDINATOR_ADDRESS``, ``JAX_NUM_PROCESSES`` and ``JAX_PROCESS_ID`` say where the first process
    listens, how many there are and which one this is; what is not set, JAX finds out itself under Slurm,
    Open MPI and Kubernetes.

    Raises:
        InputError: where that is not to be found out, or the processes do not meet.
    """
    try:
        count, own = (os.environ.get(name) for name in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID"))
        jax.distributed.initialize(
            num_processes=None if count is None else int(count), process_id=None if own is None else int(own)
        )
    except (ValueError, TypeError, RuntimeError, IndexError) as error:  # the last: an address without a port
        raise InputError(
            f"--distributed: {(str(error).splitlines() or [''])[0]};\n"
            "expected JAX_COORDINATOR_ADDRESS (host:port), JAX_NUM_PROCESSES and JAX_PROCESS_ID, or a "
            "cluster that JAX knows"
        ) from error


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
    return here and bool(np.any(multihost_utils.process_allgather(np.array(flag))))


def wait_for_all(name: str) -> None:
    """Returns when all processes have come here."""
    if several():
        multihost_utils.sync_global_devices(name)
