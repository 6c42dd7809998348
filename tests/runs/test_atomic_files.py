"""Files that are whole or absent after a crash."""

import contextlib
import errno
import os
from pathlib import Path

import pytest

from mlmt_jax.errors import RunError
from mlmt_jax.runs.atomic_files import append_line, check_room, replace_text, sync, write_errors


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_full_disk_leaves_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "a.json"
    replace_text(path, "before")
    monkeypatch.setattr(os, name, fail)
    with (
        pytest.raises(RunError, match=r"a\.json: cannot be written: No space left on device"),
        write_errors(path),
    ):
        replace_text(path, "after")
    assert path.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_content_and_folder_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def record_sync(descriptor: int) -> None:
        calls.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    def record_rename(source: str, target: str) -> None:
        calls.append("rename")
        replace(source, target)

    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not name open files")
    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(os, "replace", record_rename)
    replace_text(tmp_path / "a", "text")
    assert calls == [str(tmp_path / ".a.part"), "rename", str(tmp_path)]
    calls.clear()
    append_line(tmp_path / "b", "line")
    append_line(tmp_path / "b", "line")
    assert calls == [str(tmp_path / "b"), str(tmp_path), str(tmp_path / "b")]
    assert (tmp_path / "b").read_text(encoding="utf-8") == "line\nline\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EOPNOTSUPP])
def test_check_room_fails_only_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(descriptor: int, offset: int, length: int) -> None:
        raise OSError(number, os.strerror(number))

    check_room(tmp_path, 1000)
    monkeypatch.setattr(os, "posix_fallocate", fail, raising=False)
    with contextlib.ExitStack() as stack:
        if number != errno.EOPNOTSUPP:  # A file system without this function may have room.
            stack.enter_context(pytest.raises(OSError, match=os.strerror(number)))
        check_room(tmp_path, 1000)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EIO])
def test_sync_passes_over_folders_that_cannot_be_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    file = tmp_path / "a"
    file.touch()
    monkeypatch.setattr(os, "fsync", fail)
    if number == errno.EIO:
        with pytest.raises(OSError, match="error"):
            sync(tmp_path)
    else:
        sync(tmp_path)
    with pytest.raises(OSError, match=os.strerror(number)):
        sync(file)
