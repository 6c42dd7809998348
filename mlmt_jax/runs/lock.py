"""A lock that lets one process at a time train in a run folder."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from mlmt_jax.errors import RunError
from mlmt_jax.runs.atomic_files import write_errors
from mlmt_jax.runs.safe_open import read_regular

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder during the block; the folder is created if it is missing.

    The system releases a ``.lock`` (flock) when the process ends, however it ends. On file systems without
    flock, the file ``.owner`` is the lock, and that of a process which is gone is taken over.

    Raises:
        RunError: if another process holds the lock, or the folder cannot be written.
    """
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / ".lock"
        descriptor = _lock_file(path)
        if descriptor is None:
            path = folder / ".owner"
            _create_owner_file(path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        if descriptor is not None:
            os.close(descriptor)


def _lock_file(path: Path) -> int | None:
    """Create and flock a file, and write the name of this process into it.

    Returns:
        The open descriptor, which holds the lock; None if the system or file system has no locks.

    Raises:
        RunError: if another process holds the lock.
        OSError: if the file cannot be opened, or is a symbolic link.
    """
    while fcntl is not None:
        # This process is written into the file: a link must not lead that elsewhere.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                raise RunError(_in_use(path)) from None
            path.unlink(missing_ok=True)
            return None
        # If its last owner removed the file meanwhile, another process could lock a new one: try again.
        if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, _this_process().encode())
            return descriptor
        os.close(descriptor)
    return None


def _create_owner_file(path: Path) -> None:
    """Create the file that names this process as owner. The file of an owner that has ended is replaced.

    Raises:
        RunError: if another process owns the folder, or nobody can tell whether it still runs.
    """
    for _ in range(2):
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(_this_process())
            return
        except FileExistsError:
            owner = _read_owner(path)
            if owner is None or not _is_gone(*owner):
                break
            path.unlink(missing_ok=True)
    raise RunError(f"{_in_use(path)}; if that has ended, delete {path.name} there")


def _this_process() -> str:
    """Return the content of a lock file: process id and host as JSON."""
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname()})


def _read_owner(path: Path) -> tuple[int, str] | None:
    """Return process id and host of a lock file, or None if it cannot be read."""
    try:
        data = json.loads(read_regular(path).decode("utf-8"))
        return int(data["pid"]), str(data["host"])
    except (RunError, OSError, ValueError, KeyError, TypeError):
        return None


def _is_gone(pid: int, host: str) -> bool:
    """Return True if a process has surely ended.

    The id of this process counts as ended: it is that of an earlier process in another container. On other
    hosts and outside POSIX nobody can tell, which gives False.
    """
    if host != socket.gethostname() or os.name != "posix":
        return False
    if pid == os.getpid():  # an earlier process with this id, in a container that counts from 1
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _in_use(path: Path) -> str:
    """Return the message for a folder that the owner of a lock file uses."""
    owner = _read_owner(path)
    name = f"process {owner[0]} on {owner[1]}" if owner else "another process"
    return f"{path.parent}: {name} is training in this folder"
