"""What every command line does around its work."""

import errno
import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import pytest
from command_lines import status

from mlmt_jax.cli import entry as cli
from mlmt_jax.errors import DataError


def test_only_bad_input_is_told_without_a_traceback() -> None:
    def bad_input(argv: Any) -> None:
        raise DataError("a.txt:3: one\ntwo")

    def bug(argv: Any) -> None:
        raise ValueError("a bug")

    assert status(bad_input) == 2
    with pytest.raises(ValueError, match="a bug"):
        status(bug)


@pytest.mark.parametrize(
    ("error", "told"),
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
def test_what_the_system_refuses(error: OSError, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(argv: Any) -> None:
        print("before")
        raise error

    assert status(refused) == 2
    assert capsys.readouterr() == ("before\n", told)


def test_an_error_that_is_not_the_systems() -> None:
    def bug(argv: Any) -> None:
        raise OSError("of a library")

    with pytest.raises(OSError, match="of a library"):
        status(bug)


def test_a_reader_that_goes_away() -> None:
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


def test_an_output_that_is_full() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    code = "from mlmt_jax.cli.entry import run\nrun(lambda: print('x' * 100_000))"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (
        2,
        "error: the output: cannot be written: No space left on device\n",
    )


def test_keys_pressed_before_anything_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    def pressed(argv: Any) -> None:
        raise KeyboardInterrupt

    assert status(pressed) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"


INTERRUPTED = {
    "in an import": "import slow_module",
    "in a callback of the garbage collector": (
        "def _xla_gc_callback(): signal.raise_signal(signal.SIGINT)\n"
        "    try: _xla_gc_callback()\n    except KeyboardInterrupt: pass"
    ),
}


@pytest.mark.parametrize("place", INTERRUPTED)
def test_keys_pressed_where_python_would_lose_them(tmp_path: Path, place: str) -> None:
    (tmp_path / "slow_module.py").write_text(
        "import signal\ntry:\n    signal.raise_signal(signal.SIGINT)\n"
        "except BaseException as error:\n    raise ImportError from error\n"
    )
    code = (
        f"import signal, sys\nfrom {cli.__name__} import run\nsys.path.append({str(tmp_path)!r})\n"
        f"def main():\n    {INTERRUPTED[place]}\n    print('went on')\nrun(main)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\ninterrupted\n")


def test_jaxs_callback_has_the_name_by_which_it_is_known() -> None:
    assert jax.__name__ in sys.modules  # which registers it
    assert any(callback.__name__ == "_xla_gc_callback" for callback in gc.callbacks)


def test_a_terminal_without_the_letters() -> None:
    code = f"from {cli.__name__} import run\nrun(lambda: print('isiXhosa \\u00eb'))"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=True)
    assert done.stdout.strip() == b"isiXhosa \\xeb"


def test_a_terminal_obeys_no_message(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> None:
        raise DataError("file: got \x1b[2J\x9b;\nexpected none")

    with pytest.raises(SystemExit):
        cli.run(refuse)
    assert capsys.readouterr().err == "error: file: got \\x1b[2J\\x9b;\nexpected none\n"
