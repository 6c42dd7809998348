"""Files that stand whole or not at all, whatever ends the process or the machine."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from mlmt_jax.errors import RunError

__all__ = ["add_line", "check_room", "remove", "replace_text", "sync", "writing"]


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Tells of a write that the system refuses, such as on a full disk.

    Raises:
        RunError: naming the path and the system's reason.
    """
    try:
        yield
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror or error}") from error


def sync(path: Path) -> None:
    """Has the system put a file's content, or a folder's entries, on the disk before it goes on."""
    if os.name == "nt":  # opens no folder, and syncs only what is open for writing
        if path.is_file():
            with path.open("r+b") as file:
                os.fsync(file.fileno())
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems, most of them on a network, cannot do it with a folder.
        if not path.is_dir() or error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def replace_text(path: Path, text: str) -> None:
    """Puts a text file in place of the one that is there, if one is; that one stays where this fails."""
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
    """Takes a file away, if it is there.

    Raises:
        RunError: where it cannot be.
    """
    with writing(path):
        path.unlink(missing_ok=True)


def add_line(path: Path, line: str) -> None:
    """Adds a line to a file, which is made where there is none. The end of the process may cut it off."""
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(f"{line}\n")
        file.flush()
        os.fsync(file.fileno())
    if new:
        sync(path.parent)


def check_room(folder: Path, size: int) -> None:
    """Raises ``OSError`` where a folder's disk, or the user's share of it, has no room for so many bytes.

    Where the system cannot tell, nothing is raised.
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
