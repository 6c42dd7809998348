"""Command lines as a shell runs them, in this process or in a new one."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from mlmt_jax.cli.entry import run

Main = Callable[[Sequence[str] | None], None]


def status(main: Main, *argv: str | Path) -> int:
    """Run a command line in this process, which saves starting one, and return its exit status."""
    try:
        run(partial(main, list(map(str, argv))))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def process(
    module: str, *argv: str | Path, stdin: str | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `python -m module` in a new process."""
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, argv)],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        timeout=600,
        check=False,
    )


def is_one_message(stderr: str) -> bool:
    """Return True if standard error holds one error of one or two lines, and nothing else."""
    lines = stderr.splitlines()
    return 1 <= len(lines) <= 2 and lines[0].startswith("error: ") and "Traceback" not in stderr
