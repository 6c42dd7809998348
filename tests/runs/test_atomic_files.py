"""Files that stand whole or not at all."""

import contextlib
import errno
import os
from pathlib import Path

import pytest

from mlmt_jax.errors import RunError
from mlmt_jax.runs.atomic_files import append_line, check_room, replace_text, sync, write_errors


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_what_was_there_stays_where_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "a.json"
    replace_text(path, "before")
    monkeypatch.setattr(os, name, full)
    with (
        pytest.raises(RunError, match=r"a\.json: cannot be written: No space left on device"),
        write_errors(path),
    ):
        replace_text(path, "after")
    assert path.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_all_is_on_the_disk_before_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted(descriptor: int) -> None:
        done.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    def renamed(source: str, target: str) -> None:
        done.append("rename")
        replace(source, target)

    if not Path("/proc/self/fd").exists():
        pytest.skip("open files have no names here")
    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(os, "replace", renamed)
    replace_text(tmp_path / "a", "text")
    assert done == [str(tmp_path / ".a.part"), "rename", str(tmp_path)]
    done.clear()
    append_line(tmp_path / "b", "line")
    append_line(tmp_path / "b", "line")
    assert done == [str(tmp_path / "b"), str(tmp_path), str(tmp_path / "b")]
    assert (tmp_path / "b").read_text(encoding="utf-8") == "line\nline\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EOPNOTSUPP])
def test_only_a_full_disk_has_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refused(descriptor: int, offset: int, length: int) -> None:
        raise OSError(number, os.strerror(number))

    check_room(tmp_path, 1000)
    monkeypatch.setattr(os, "posix_fallocate", refused, raising=False)
    with contextlib.ExitStack() as stack:
        if number != errno.EOPNOTSUPP:  # that says nothing of the room
            stack.enter_context(pytest.raises(OSError, match=os.strerror(number)))
        check_room(tmp_path, 1000)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EIO])
def test_only_a_folder_may_be_left_unsynced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    file = tmp_path / "a"
    file.touch()
    monkeypatch.setattr(os, "fsync", refused)
    if number == errno.EIO:
        with pytest.raises(OSError, match="error"):
            sync(tmp_path)
    else:
        sync(tmp_path)
    with pytest.raises(OSError, match=os.strerror(number)):
        sync(file)
