"""Pytrees of arrays on disk: what orbax needs to write and read them, and what it says when it cannot."""

import contextlib
import os
import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from flax import serialization

from mlmt_jax.errors import RunError


def make_checkpointer() -> ocp.Checkpointer:
    """Return a checkpointer of this process alone: of several, each reads for itself and the first writes."""
    index = jax.process_index()
    options = ocp.options.MultiprocessingOptions(
        primary_host=index, active_processes={index}, barrier_sync_key_prefix=str(index)
    )
    handler = ocp.StandardCheckpointHandler(multiprocessing_options=options)
    return ocp.Checkpointer(handler, multiprocessing_options=options)


def to_host(tree: Any) -> Any:
    """Copy a pytree to NumPy arrays: the next step may reuse the memory of its arrays."""
    for leaf in jax.tree.leaves(tree):
        if isinstance(leaf, jax.Array):
            leaf.copy_to_host_async()
    return jax.tree.map(lambda leaf: np.array(leaf), tree)


def state_parts(state: Any) -> dict[str, Any]:
    """Return the fields of a state as nested dicts, without those that are None."""
    return {k: part for k, part in serialization.to_state_dict(state).items() if part is not None}


def blank_like(tree: Any) -> Any:
    """Return a pytree of zeros with the shapes and dtypes of ``tree``, which orbax wants for a restore."""
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), tree)


def on_device(tree: Any) -> Any:
    """Return a pytree on the first local device."""
    return jax.device_put(tree, jax.local_devices()[0])


def check_shapes(path: Path, stored: Any, like: Any) -> None:
    """Compare the shapes of stored arrays with those expected; dtypes are not compared.

    Args:
        path: the checkpoint, for the message.
        stored: pytree of what has a shape.
        like: pytree of what has the expected shapes.

    Raises:
        RunError: with the first array, by its path in the pytree, that is missing, not expected or of another
            shape; or if nothing is stored.
    """
    shapes, expected = (
        {jax.tree_util.keystr(k): tuple(v.shape) for k, v in jax.tree_util.tree_leaves_with_path(tree)}
        for tree in (stored, like)
    )
    if not shapes:
        raise RunError(f"{path}: no arrays can be read from it; expected a whole checkpoint")
    for key in sorted(shapes.keys() | expected.keys()):
        if shapes.get(key) != expected.get(key):
            raise RunError(
                f"{path}: {key} has shape {shapes.get(key, 'none')}, expected {expected.get(key, 'none')};\n"
                "config.json, vocab.json and the checkpoint are not of one run"
            )


@contextlib.contextmanager
def refused(path: Path, problem: str):
    """Turn what orbax or JSON raise about a checkpoint into a RunError."""
    try:
        yield
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise RunError(f"{path}: {problem}: {error_text(error)}") from error


def error_text(error: Exception) -> str:
    """Return an error as one line; if tensorstore passes on an error of the system, that error's text."""
    code = re.search(r"os_error_code='(\d+)'", str(error))
    return os.strerror(int(code[1])) if code else str(error).splitlines()[0]
