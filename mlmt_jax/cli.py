"""What every command line does around its work: user errors become one message and status 2."""

import argparse
import contextlib
import ctypes
import errno
import hashlib
import io
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mlmt_jax.errors import InputError

if TYPE_CHECKING:
    from mlmt_jax.tagger import Tagger

__all__ = [
    "add_config_arguments",
    "add_tagger_arguments",
    "keep_memory",
    "keep_programs",
    "load_tagger",
    "run",
]

_MOST_KEPT = 1 << 30  # bytes of compiled programs


def run(main: Callable[[], None]) -> None:
    """Calls ``main``; bad input, or what the system refuses, ends with a message and status 2."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A task's name must not end a run on a terminal that lacks its letters.
        sys.stdout.reconfigure(errors="backslashreplace")
    keep_programs()
    keep_memory()
    try:
        main()
        sys.stdout.flush()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        _say_no_more()
        sys.exit(141)  # the reader went away (`| head`)
    except OSError as error:
        if error.errno is None and error.filename is None:
            raise  # not the system's
        with contextlib.suppress(OSError):
            print(f"error: {_refused(error)}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:
            _say_no_more()
        sys.exit(2)


def _refused(error: OSError) -> str:
    """What the system refused, such as a name that is too long or a file of somebody else, in one line."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{error.filename or 'the output'}: cannot be written: {reason}"
    return reason if error.filename is None else f"{error.filename}: {reason}"


def _say_no_more() -> None:
    """What standard output still holds back goes nowhere, lest the end of the interpreter fail at it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """The config file, and the options that override its values."""
    parser.add_argument("config", help="the JSON config file")
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="PATH=VALUE",
        action="append",
        default=[],
        help="override a value, such as training.max_step=200 or tasks.0.learning_rate=0.01; may be repeated",
    )


def add_tagger_arguments(parser: argparse.ArgumentParser) -> None:
    """The options by which a run's tagger is chosen."""
    parser.add_argument("--task", metavar="NAME", help="a task of the run (default: its target)")
    parser.add_argument("--vectors", metavar="FILE", help="vectors of words that the run does not know")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--replica",
        type=int,
        metavar="N",
        help="one of the run's replicas, from 0 (default: the best on the target's development data)",
    )
    which.add_argument(
        "--ensemble", action="store_true", help="all replicas together: the mean of their marginals"
    )


def load_tagger(args: argparse.Namespace) -> "Tagger":
    """The tagger that the options choose.

    Raises:
        InputError: as ``Tagger.load``.
    """
    from mlmt_jax.ensemble import Ensemble
    from mlmt_jax.tagger import Tagger

    if args.ensemble:
        return Ensemble.of_run(args.run, args.task, args.vectors)
    return Tagger.load(args.run, args.task, args.vectors, args.replica)


def keep_programs() -> None:
    """Has JAX, which reads this when it is imported, keep compiled programs for later processes.

    The folder is MLMT_JAX_CACHE, else ``mlmt_jax`` in the user's cache folder; "off" keeps nothing. Where
    JAX_COMPILATION_CACHE_DIR is set, all is left to that and its companions.
    """
    chosen = os.environ.get("MLMT_JAX_CACHE", "")
    if chosen.lower() == "off" or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(chosen or Path(home, "mlmt_jax")) / _machine()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home, or one that cannot be written: compile anew
        return
    if os.access(folder, os.W_OK):
        _forget_oldest(folder)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def _forget_oldest(folder: Path) -> None:
    """Deletes the programs that were longest not used, where there are more than ``_MOST_KEPT`` bytes."""
    with contextlib.suppress(OSError):  # another process may do the same
        files = [(file.stat(), file) for file in folder.iterdir() if file.is_file()]
        size = sum(about.st_size for about, _ in files)
        for about, file in sorted(files, key=lambda entry: max(entry[0].st_atime, entry[0].st_mtime)):
            if size <= _MOST_KEPT:
                return
            file.unlink()
            size -= about.st_size


def keep_memory() -> None:
    """Has the C library keep freed memory for the next allocation, where it is glibc.

    A training step takes tens of MB and gives them back. By default they go back to the system, and getting
    them anew, page by page, takes up to a third of a step. The price: the process stays as large as it was.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        trim_threshold, top_pad, mmap_max = -1, -2, -4
        library.mallopt(trim_threshold, 2**31 - 1)
        library.mallopt(mmap_max, 0)
        # An empty heap of a thread (64 MiB) goes back unless it is within this many bytes of the last one.
        library.mallopt(top_pad, 2 * 64 << 20)


def _machine() -> str:
    # A program uses whatever instructions the processor has; a home folder may be mounted on several.
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        about = "".join(
            sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})
        )
    except OSError:
        about = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(about.encode()).hexdigest()[:12]}"
