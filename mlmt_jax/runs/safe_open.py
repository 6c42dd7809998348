"""Files of a run folder, which may come from anywhere: nothing outside is read, and nothing is waited for."""

import os
import stat
from io import BufferedReader
from pathlib import Path

from mlmt_jax.errors import RunError

__all__ = ["check_no_link", "open_own", "read_own"]


def check_no_link(path: Path) -> None:
    """Raises ``RunError`` where a file or folder is a link to another."""
    if path.is_symlink():
        raise RunError(f"{path}: is a link; expected a file or folder that is the run's own")


def open_own(path: Path) -> BufferedReader:
    """Opens a file to be read.

    Raises:
        RunError: where it is a link, a folder, or no real file: a pipe has no end, nor have some devices.
        OSError: where the system refuses it.
    """
    check_no_link(path)
    # Not all of them are there on all systems.
    flags = (getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
    descriptor = os.open(path, os.O_RDONLY | sum(flags))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise RunError(f"{path}: is not a regular file; expected one that the run wrote")
    return os.fdopen(descriptor, "rb")


def read_own(path: Path) -> bytes:
    """What is in a file; raises as ``open_own``."""
    with open_own(path) as file:
        return file.read()
