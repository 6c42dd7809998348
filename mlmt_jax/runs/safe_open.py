"""Reading of run folders, which may come from a stranger: no link is followed, no pipe waited for."""

import os
import stat
from io import BufferedReader
from pathlib import Path

from mlmt_jax.errors import RunError


def check_no_link(path: Path) -> None:
    """Raise RunError if a file or folder is a symbolic link."""
    if path.is_symlink():
        raise RunError(f"{path}: is a link; expected a file or folder that is the run's own")


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading bytes.

    Raises:
        RunError: if the path is a link, a folder, a pipe or a device.
        OSError: if the system cannot open it.
    """
    check_no_link(path)
    # Not every system has each of these flags.
    flags = (getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
    descriptor = os.open(path, os.O_RDONLY | sum(flags))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise RunError(f"{path}: is not a regular file; expected one that the run wrote")
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path) -> bytes:
    """Return the content of a regular file; raise as ``open_regular`` does."""
    with open_regular(path) as file:
        return file.read()
