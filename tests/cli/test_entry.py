"""The entry of command lines: errors, exit statuses, signals, streams."""

import errno
import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from command_lines import status

from mlmt_jax.cli import entry
from mlmt_jax.errors import DataError


def test_only_bad_input_has_no_traceback() -> None:
    def bad_input(argv: Any) -> None:
        raise DataError("a.txt:3: one\ntwo")

    def bug(argv: Any) -> None:
        raise ValueError("a bug")

    assert status(bad_input) == 2
    with pytest.raises(ValueError, match="a bug"):
        status(bug)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "a/b"), "error: a/b: Permission denied\n"),
        (OSError(errno.ENAMETOOLONG, "File name too long", Path("x")), "error: x: File name too long\n"),
        (OSError(errno.EIO, "Input/output error"), "error: Input/output error\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "x"),
            "error: x: cannot be written: No space left on device\n",
        ),
    ],
)
def test_an_error_of_the_system_is_a_message(
    error: OSError, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(argv: Any) -> None:
        print("before")
        raise error

    assert status(refused) == 2
    assert capsys.readouterr() == ("before\n", message)


def test_an_os_error_of_a_library_passes_through() -> None:
    def bug(argv: Any) -> None:
        raise OSError("of a library")

    with pytest.raises(OSError, match="of a library"):
        status(bug)


def test_a_closed_output_ends_the_process() -> None:
    code = "from mlmt_jax.cli.entry import run\nrun(lambda: [print('x' * 1000) for _ in range(1000)])"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        writer.stdout.read(10)
        writer.stdout.close()
        assert writer.stderr.read() == b""
        assert writer.wait() == 141


def test_a_full_output_is_reported() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    code = "from mlmt_jax.cli.entry import run\nrun(lambda: print('x' * 100_000))"
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (result.returncode, result.stderr) == (
        2,
        "error: the output: cannot be written: No space left on device\n",
    )


def test_an_interruption_has_its_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(argv: Any) -> None:
        raise KeyboardInterrupt

    assert status(interrupted) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"


INTERRUPTED = {
    "in an import": "import slow_module",
    "in a callback of the garbage collector": (
        "def _xla_gc_callback(): signal.raise_signal(signal.SIGINT)\n"
        "    try: _xla_gc_callback()\n    except KeyboardInterrupt: pass"
    ),
}


@pytest.mark.parametrize("place", INTERRUPTED)
def test_an_interruption_is_not_lost(tmp_path: Path, place: str) -> None:
    (tmp_path / "slow_module.py").write_text(
        "import signal\ntry:\n    signal.raise_signal(signal.SIGINT)\n"
        "except BaseException as error:\n    raise ImportError from error\n"
    )
    code = (
        f"import signal, sys\nfrom {entry.__name__} import run\nsys.path.append({str(tmp_path)!r})\n"
        f"def main():\n    {INTERRUPTED[place]}\n    print('went on')\nrun(main)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "\ninterrupted\n")


def test_the_callback_of_jax_has_the_expected_name() -> None:
    assert jax.__name__ in sys.modules  # importing JAX registers the callback
    assert any(callback.__name__ == "_xla_gc_callback" for callback in gc.callbacks)


def test_letters_that_a_terminal_cannot_encode_are_escaped() -> None:
    code = f"from {entry.__name__} import run\nrun(lambda: print('isiXhosa \\u00eb'))"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=True)
    assert result.stdout.strip() == b"isiXhosa \\xeb"


def test_control_characters_in_messages_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> None:
        raise DataError("file: got \x1b[2J\x9b;\nexpected none")

    with pytest.raises(SystemExit):
        entry.run(refuse)
    assert capsys.readouterr().err == "error: file: got \\x1b[2J\\x9b;\nexpected none\n"


def test_warnings_of_numpy_do_not_reach_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    def overflow(argv: Any) -> None:
        print(np.array([3e38], np.float32) * np.float32(10), np.zeros(1) / 0)

    assert status(overflow) == 0
    assert capsys.readouterr() == ("[inf] [nan]\n", "")
    with pytest.warns(RuntimeWarning):
        overflow(None)
