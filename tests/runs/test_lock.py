"""The lock of a run folder between processes."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mlmt_jax.errors import RunError
from mlmt_jax.runs import lock
from mlmt_jax.runs.lock import locked

HOLD = (
    "import sys\nfrom pathlib import Path\nfrom mlmt_jax.runs.lock import locked\n"
    "with locked(Path(sys.argv[1])):\n    print('locked', flush=True)\n    sys.stdin.read()\n"
)


def hold_lock(folder: Path) -> "subprocess.Popen[str]":
    """Start a process that holds the lock of a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


def test_second_process_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "run"
    with hold_lock(folder) as other:
        with pytest.raises(RunError) as error, locked(folder):
            pass
        message = f"{folder}: process {other.pid} on {socket.gethostname()} is training in this folder"
        assert str(error.value) == message
        other.communicate()
    assert list(folder.iterdir()) == []
    with locked(folder), pytest.raises(RunError), locked(folder):
        pass
    assert list(folder.iterdir()) == []


def test_killed_process_releases_the_lock(tmp_path: Path) -> None:
    with hold_lock(tmp_path) as other:
        other.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
        other.wait()
    assert len(list(tmp_path.iterdir())) == 1
    with locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "fcntl", None)


def write_owner(folder: Path, pid: int, host: str) -> None:
    (folder / ".owner").write_text(json.dumps({"pid": pid, "host": host}), encoding="utf-8")


@pytest.mark.usefixtures("without_locks")
def test_owner_file_replaces_locks_that_the_system_lacks(tmp_path: Path) -> None:
    with locked(tmp_path):
        assert json.loads((tmp_path / ".owner").read_text(encoding="utf-8"))["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    write_owner(tmp_path, ended.pid, socket.gethostname())
    with locked(tmp_path):  # The owner has ended: its lock is taken over.
        pass
    for pid, host in ((os.getppid(), socket.gethostname()), (ended.pid, "elsewhere")):
        write_owner(tmp_path, pid, host)
        message = (
            f"process {pid} on {host} is training in this folder; if that has ended, delete .owner there"
        )
        with pytest.raises(RunError, match=message), locked(tmp_path):
            pass
    (tmp_path / ".owner").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match=r"another process is training .*delete \.owner"), locked(tmp_path):
        pass


def test_owner_file_replaces_locks_that_the_file_system_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", fail)
    with locked(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".owner"]
    assert list(tmp_path.iterdir()) == []


def test_unwritable_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunError, match=f"{path}: cannot be written: "), locked(path):
            pass

    def fail(*_: object) -> None:  # A root user may write to every real folder.
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", fail)
    with (
        pytest.raises(RunError, match=f"{tmp_path}: cannot be written: Read-only file system"),
        locked(tmp_path),
    ):
        pass
