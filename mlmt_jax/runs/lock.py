"""One process at a time in a run folder."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from mlmt_jax.runs.atomic_files import writing
from mlmt_jax.errors import RunError
from mlmt_jax.runs.safe_open import read_own

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None

__all__ = ["locked"]


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other processes out of a folder, which is made where there is none.

    The system takes the lock away when the process ends, however it ends. Where there are no such locks a
    file is the lock, and one whose process is gone is taken over.

    Raises:
        RunError: another process has the folder, or it cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / ".lock"
        descriptor = _lock(path)
        if descriptor is None:
            path = folder / ".owner"
            _own(path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        if descriptor is not None:
            os.close(descriptor)


def _lock(path: Path) -> int | None:
    """A locked file; None where the system or the file system has no locks."""
    while fcntl is not None:
        # Its owner is written to it: not to where a link may lead.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                raise RunError(_in_use(path, _owner(path))) from None
            path.unlink(missing_ok=True)
            return None
        # Its last owner may have removed it in between: then another process can lock a new one.
        if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, _myself().encode())
            return descriptor
        os.close(descriptor)
    return None


def _own(path: Path) -> None:
    for _ in range(2):
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(_myself())
            return
        except FileExistsError:
            owner = _owner(path)
            if owner is None or not _is_gone(*owner):
                break
            path.unlink(missing_ok=True)
    raise RunError(f"{_in_use(path, _owner(path))}; if that has ended, delete {path.name} there")


def _myself() -> str:
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname()})


def _owner(path: Path) -> tuple[int, str] | None:
    try:
        data = json.loads(read_own(path).decode("utf-8"))
        return int(data["pid"]), str(data["host"])
    except (RunError, OSError, ValueError, KeyError, TypeError):
        return None


def _is_gone(pid: int, host: str) -> bool:
    """Whether the process has surely ended; of other machines, and outside POSIX, that is not known."""
    if host != socket.gethostname() or os.name != "posix":
        return False
    if pid == os.getpid():  # of a process before this one, in a container that counts anew
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _in_use(path: Path, owner: tuple[int, str] | None) -> str:
    who = f"process {owner[0]} on {owner[1]}" if owner else "another process"
    return f"{path.parent}: {who} is training in this folder"
