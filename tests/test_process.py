"""What processes keep for later ones."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlmt_jax import process


def kept_in(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str | None:
    """The folder that JAX is told to keep programs in."""
    for name in ("JAX_COMPILATION_CACHE_DIR", "MLMT_JAX_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    process.keep_programs()
    return os.environ.get("JAX_COMPILATION_CACHE_DIR")


def test_programs_are_kept_by_machine_unless_that_is_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")  # restored afterwards
    own = kept_in(monkeypatch, MLMT_JAX_CACHE=str(tmp_path / "own"))
    assert own is not None
    assert Path(own).parent == tmp_path / "own"
    assert Path(own).is_dir()
    assert kept_in(monkeypatch, XDG_CACHE_HOME=str(tmp_path)) == str(tmp_path / "mlmt_jax" / Path(own).name)
    assert kept_in(monkeypatch, MLMT_JAX_CACHE="off") is None
    assert kept_in(monkeypatch, JAX_COMPILATION_CACHE_DIR="elsewhere") == "elsewhere"
    (tmp_path / "file").touch()
    assert kept_in(monkeypatch, MLMT_JAX_CACHE=str(tmp_path / "file" / "below")) is None


def test_programs_of_which_a_part_was_written_are_made_anew(tmp_path: Path) -> None:
    code = f"""
from {process.__name__} import keep_programs
keep_programs()
import jax
jax.jit(lambda x: x + 1)(1)
"""
    environment = {
        **os.environ,
        "MLMT_JAX_CACHE": str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    del environment["JAX_COMPILATION_CACHE_DIR"]

    def kept() -> dict[Path, bytes]:
        """What is kept when a process has ended without a word."""
        command = [sys.executable, "-W", "error", "-c", code]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return {file: file.read_bytes() for file in tmp_path.rglob("*-cache")}

    whole = kept()
    assert whole
    for file, content in whole.items():
        file.write_bytes(content[:-5])
    kept()  # reads them, and cannot know that nobody is writing them
    for seconds, pattern in ((60, "*-cache"), (120, "looked_at")):
        for file in tmp_path.rglob(pattern):
            os.utime(file, (time.time() - seconds, time.time() - seconds))
    assert kept() == whole
