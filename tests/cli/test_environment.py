"""The process environment: the compilation cache, standard streams, settings of JAX."""

import os
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from mlmt_jax.cli import environment


def cache_folder(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str | None:
    """Enable the compilation cache with environment variables, and return the folder that JAX gets."""
    for name in ("JAX_COMPILATION_CACHE_DIR", "MLMT_JAX_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    environment.enable_compilation_cache()
    return os.environ.get("JAX_COMPILATION_CACHE_DIR")


def test_each_machine_has_a_cache_unless_it_is_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")  # restored at the end
    folder = cache_folder(monkeypatch, MLMT_JAX_CACHE=str(tmp_path / "chosen"))
    assert folder is not None
    assert Path(folder).parent == tmp_path / "chosen"
    assert Path(folder).is_dir()
    machine = Path(folder).name
    assert cache_folder(monkeypatch, XDG_CACHE_HOME=str(tmp_path)) == str(tmp_path / "mlmt_jax" / machine)
    assert cache_folder(monkeypatch, MLMT_JAX_CACHE="off") is None
    assert cache_folder(monkeypatch, JAX_COMPILATION_CACHE_DIR="elsewhere") == "elsewhere"
    (tmp_path / "file").touch()
    assert cache_folder(monkeypatch, MLMT_JAX_CACHE=str(tmp_path / "file" / "below")) is None


def test_a_truncated_program_is_compiled_anew(tmp_path: Path) -> None:
    code = """
from mlmt_jax.cli.environment import enable_compilation_cache
enable_compilation_cache()
import jax
jax.jit(lambda x: x + 1)(1)
"""
    variables = {
        **os.environ,
        "MLMT_JAX_CACHE": str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    del variables["JAX_COMPILATION_CACHE_DIR"]

    def cached_programs() -> dict[Path, bytes]:
        """Run a process, which prints no warning, and return the programs of the cache."""
        command = [sys.executable, "-W", "error", "-c", code]
        result = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
        assert result.stderr == ""
        return {file: file.read_bytes() for file in tmp_path.rglob("*-cache")}

    whole = cached_programs()
    assert whole
    for file, content in whole.items():
        file.write_bytes(content[:-5])
    cached_programs()  # leaves them: another process might still be writing them
    for file in whole:
        os.utime(file, (time.time() - 60, time.time() - 60))
    assert cached_programs() == whole


def test_a_truncated_program_with_an_implausible_time_is_deleted(tmp_path: Path) -> None:
    whole, truncated = tmp_path / "a-cache", tmp_path / "b-cache"
    for days in (-9000, 9000):  # the clock was wrong
        whole.write_bytes(zlib.compress(b"program"))
        truncated.write_bytes(zlib.compress(b"program")[:-1])
        written = time.time() + 86400 * days
        for file in (whole, truncated):
            os.utime(file, (written, written))
        environment._delete_damaged(tmp_path)
        assert (whole.exists(), truncated.exists()) == (True, False)


def test_closed_streams_do_not_receive_the_content_of_files(tmp_path: Path) -> None:
    code = """
import os, sys
from mlmt_jax.cli.entry import run
def main():
    with open(sys.argv[1], "w") as file:
        os.write(2, b"output of a library")
        print("printed", sys.stdin.read(), flush=True)
        print("warning", file=sys.stderr)
        file.write("content")
run(main)
"""
    file = tmp_path / "file"
    closing = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    result = subprocess.run([*closing, sys.executable, "-c", code, str(file)], check=False)
    assert (result.returncode, file.read_text()) == (0, "content")


def test_non_blocking_streams_lose_no_data() -> None:
    code = """
import sys
from mlmt_jax.cli.entry import run
run(lambda: sys.stdout.writelines(line * 100_000 for line in sys.stdin))
"""
    stdin, to_stdin = os.pipe()
    from_stdout, stdout = os.pipe()
    for end in (stdin, stdout):
        os.set_blocking(end, False)
    with subprocess.Popen([sys.executable, "-c", code], stdin=stdin, stdout=stdout) as process:
        os.close(stdin)
        os.close(stdout)
        for line in (b"a\n", b"b\n"):
            time.sleep(0.2)
            os.write(to_stdin, line)
        os.close(to_stdin)
        time.sleep(0.2)  # until the pipe is full
        with open(from_stdout, "rb") as file:
            output = file.read()
    assert (process.returncode, output) == (0, b"a\n" * 100_000 + b"b\n" * 100_000)


def test_settings_of_jax_for_other_work_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_ENABLE_X64", "1")
    environment.drop_jax_settings()
    assert "JAX_ENABLE_X64" not in os.environ


def test_the_least_recently_used_programs_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age, name in enumerate(("new", "used", "old", "oldest")):
        file = tmp_path / name
        file.write_bytes(bytes(10))
        os.utime(file, (1e9 - 10 * age, 1e9 - 10 * age))
    os.utime(tmp_path / "oldest", (1e9 + 10, 1e9 - 100))  # the oldest was read last
    monkeypatch.setattr(environment, "_MAX_CACHE_BYTES", 20)
    environment._delete_oldest(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"new", "oldest"}
