"""The device that a run uses: choosing it, its memory, and the versions that figures depend on."""

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from typing import Any

import jax

from mlmt_jax.config.problems import quoted
from mlmt_jax.errors import ConfigError
from mlmt_jax.training import processes
from mlmt_jax.training.setup import Setup

# XLA's executor of a program uses up to four threads beside its own.
_THREADS_PER_DEVICE, _MAX_THREADS = 5, 200


def choose_device(gpu: bool | None, sharing: int = 1) -> tuple[str, str | None]:
    """Choose the device; call this before anything else uses JAX.

    Args:
        gpu: ``training.gpu``: True wants a GPU, False keeps to the CPU, None takes what JAX finds.
        sharing: number of devices that share batches.

    Returns:
        A line that names the device, and a warning if a GPU was wanted and none was found.

    Raises:
        InputError: if JAX finds no device.
    """
    if gpu is False:
        jax.config.update("jax_platforms", "cpu")
    if sharing > 1:
        # The CPU's virtual devices meet in sums of gradients, where each waits in a thread of one pool. With
        # as many threads as cores, one device can hold them all and wait for the others forever.
        threads = (os.cpu_count() or 1) + min(_THREADS_PER_DEVICE * sharing, _MAX_THREADS)
        os.environ.setdefault("NPROC", str(threads))
    device = processes.first_device()
    count = jax.device_count()
    noun = f"{count} devices" if count > 1 else "device"
    line = f"{noun}: {device.platform} ({device.device_kind}), jax {jax.__version__}"
    if gpu and device.platform == "cpu":
        return line, (
            "training.gpu is true, but JAX found no GPU and uses the CPU; "
            'for an NVIDIA GPU: pip install "mlmt-jax[cuda]"'
        )
    return line, None


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a run's figures depend on."""
    packages = ("mlmt-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
    return {"python": platform.python_version(), **{name: _version(name) for name in packages}}


def _version(package: str) -> str:
    """Return the installed version of a package, or "unknown"."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # a checkout that was not installed
        return "unknown"


def device_and_versions() -> dict[str, Any]:
    """Return the device and the versions, as ``summary.json`` keeps them."""
    device = jax.devices()[0]
    return {"device": f"{device.platform} ({device.device_kind})", "versions": versions()}


def require_memory(setups: Sequence[Setup]) -> None:
    """Refuse replicas whose states alone are larger than the machine's memory, before any is created.

    Raises:
        ConfigError: naming the largest component by its JSON path.
    """
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # a system that cannot say
        return
    config, shapes = setups[0].config, setups[0].shapes
    needed = len(setups) * _bytes(shapes)
    if needed > memory:
        sizes = [_bytes(shapes.params.get(component.name, {})) for component in config.components]
        largest = max(range(len(sizes)), key=sizes.__getitem__)
        runs = "1 run" if len(setups) == 1 else f"{len(setups)} replicas"
        raise ConfigError(
            f"components[{largest}]: {quoted(config.components[largest].name)} has {_gib(sizes[largest])} of "
            f"parameters, and the state of {runs}, with all else and momenta, {_gib(needed)};\n"
            f"expected at most this machine's memory, {_gib(memory)}"
        )


def _bytes(tree: object) -> int:
    """Return the number of bytes of all arrays in a pytree."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _gib(size: int) -> str:
    """Return a number of bytes as text in GiB."""
    return f"{size / 2**30:.3g} GiB" if size < 1000 * 2**30 else f"{size / 2**30:.0f} GiB"
