"""What processes keep for later ones."""

import os
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from mlmt_jax.cli import environment as process


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
    for file in whole:
        os.utime(file, (time.time() - 60, time.time() - 60))
    assert kept() == whole


def test_programs_of_which_nobody_knows_when_they_were_written(tmp_path: Path) -> None:
    whole, part = tmp_path / "a-cache", tmp_path / "b-cache"
    for days in (-9000, 9000):  # a clock that was wrong
        whole.write_bytes(zlib.compress(b"program"))
        part.write_bytes(zlib.compress(b"program")[:-1])
        written = time.time() + 86400 * days
        for file in (whole, part):
            os.utime(file, (written, written))
        process._forget_damaged(tmp_path)
        assert (whole.exists(), part.exists()) == (True, False)


def test_closed_streams(tmp_path: Path) -> None:
    code = """
import os, sys
from mlmt_jax.cli.entry import run
def main():
    with open(sys.argv[1], "w") as file:
        os.write(2, b"what a library says")
        print("said", sys.stdin.read(), flush=True)
        print("warned", file=sys.stderr)
        file.write("kept")
run(main)
"""
    file = tmp_path / "file"
    closing = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    done = subprocess.run([*closing, sys.executable, "-c", code, str(file)], check=False)
    assert (done.returncode, file.read_text()) == (0, "kept")


def test_streams_that_do_not_wait() -> None:
    code = """
import sys
from mlmt_jax.cli.entry import run
run(lambda: sys.stdout.writelines(line * 100_000 for line in sys.stdin))
"""
    input_, to_input = os.pipe()
    from_output, output = os.pipe()
    for end in (input_, output):
        os.set_blocking(end, False)
    with subprocess.Popen([sys.executable, "-c", code], stdin=input_, stdout=output) as started:
        os.close(input_)
        os.close(output)
        for line in (b"a\n", b"b\n"):
            time.sleep(0.2)
            os.write(to_input, line)
        os.close(to_input)
        time.sleep(0.2)  # the pipe is full by now
        with open(from_output, "rb") as file:
            found = file.read()
    assert (started.returncode, found) == (0, b"a\n" * 100_000 + b"b\n" * 100_000)


def test_settings_for_other_work_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_ENABLE_X64", "1")
    process.leave_settings()
    assert "JAX_ENABLE_X64" not in os.environ


def test_programs_that_were_longest_not_used_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for age, name in enumerate(("new", "used", "old", "oldest")):
        file = tmp_path / name
        file.write_bytes(bytes(10))
        os.utime(file, (1e9 - 10 * age, 1e9 - 10 * age))
    os.utime(tmp_path / "oldest", (1e9 + 10, 1e9 - 100))  # read since
    monkeypatch.setattr(process, "_MOST_KEPT", 20)
    process._forget_oldest(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"new", "oldest"}
