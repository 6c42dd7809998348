"""Writing of files that are whole or absent after any crash, and of lines that survive one."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from mlmt_jax.errors import RunError


@contextlib.contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn an OSError of the block, such as a full disk, into a RunError that names path and reason."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror or error}") from error


def sync(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to the disk (fsync).

    Raises:
        OSError: if the system cannot; a folder on a file system without this function is passed over.
    """
    if os.name == "nt":  # Windows cannot open a folder, and syncs only files that are open for writing.
        if path.is_file():
            with path.open("r+b") as file:
                os.fsync(file.fileno())
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder.
        if not path.is_dir() or error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def replace_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically: at any time the path holds the older text or all of the new one.

    Line endings are written as they are. The file and its folder's entry are flushed to the disk.

    Raises:
        OSError: if writing fails; an older file stays, and no temporary file is left.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync(path.parent)


def remove(path: Path) -> None:
    """Delete a file if it exists; raise RunError if the system refuses."""
    with write_errors(path):
        path.unlink(missing_ok=True)


def append_line(path: Path, line: str) -> None:
    """Append a line to a UTF-8 file and flush it to the disk; the file is created if it is missing.

    A newline is added. A crash may leave a part of the line.

    Raises:
        OSError: if writing fails.
    """
    is_new = not path.exists()
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(f"{line}\n")
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        sync(path.parent)


def check_room(folder: Path, size: int) -> None:
    """Raise OSError if the disk of a folder, or the user's quota, has no room for ``size`` bytes.

    If the system cannot say, nothing is raised.
    """
    scratch = folder / ".room"
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        with scratch.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
    finally:
        scratch.unlink(missing_ok=True)
