"""The entry of every command line: error messages, exit statuses, signals."""

import contextlib
import errno
import io
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from mlmt_jax.cli import environment
from mlmt_jax.errors import InputError
from mlmt_jax.text.escaping import escape_controls

_INTERRUPTED = "\ninterrupted"


def run(main: Callable[[], None]) -> None:
    """Prepare the process and call `main` without arguments. Errors become a message and an exit status.

    The status is 2 for `InputError` and for an error of the system, 130 for an interruption (Ctrl-C), and 141
    if the reader of standard output is gone. Messages go to standard error; 141 has none. Other exceptions
    pass through, `SystemExit` of `main` too. After success the function returns. It changes environment
    variables and the standard streams of the process; call it before JAX is imported.

    Raises:
        SystemExit: with one of these statuses.
    """
    environment.open_standard_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The name of a task must not end a run on a terminal that cannot encode it.
        sys.stdout.reconfigure(errors="backslashreplace")
    environment.drop_jax_settings()
    environment.enable_compilation_cache()
    environment.keep_freed_memory()
    try:
        with _interruptible(), warnings.catch_warnings():
            # Of NumPy: what is not finite is told by name.
            warnings.simplefilter("ignore", RuntimeWarning)
            main()
            sys.stdout.flush()
    except InputError as error:
        _exit(2, f"error: {error}")
    except KeyboardInterrupt:
        _exit(130, _INTERRUPTED)
    except BrokenPipeError:  # the reader is gone, as in `| head`
        _discard_output()
        sys.exit(141)
    except OSError as error:
        if error.errno is None and error.filename is None:
            raise  # a library's error, not the system's
        try:
            sys.stdout.flush()
        except OSError:
            _discard_output()
        _exit(2, f"error: {_system_error(error)}")


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Make Ctrl-C end the process at any time, unless SIGINT has another handler than Python's."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, or end the process at once where the exception would be lost.

    A module that is being imported may turn the exception into another error. Python drops exceptions in
    JAX's callback of the garbage collector. In these two cases the process ends with status 130.

    Args:
        signum: number of the signal.
        frame: what was being executed; its callers are searched for the two cases.
    """
    caller = frame
    while caller is not None:
        code = caller.f_code
        if code.co_filename.startswith("<frozen importlib") or code.co_name == "_xla_gc_callback":
            _print_error(_INTERRUPTED)
            os._exit(130)
        caller = caller.f_back
    signal.default_int_handler(signum, frame)


def _exit(status: int, message: str) -> NoReturn:
    """Print a message to standard error, and raise SystemExit with the status."""
    _print_error(message)
    sys.exit(status)


def _print_error(text: str) -> None:
    """Print a text and a newline to standard error, with control and bidirectional characters escaped.

    Names from files may hold them. Tabs and newlines stay. A failure of the output is ignored.
    """
    with contextlib.suppress(OSError):  # the exit status reports the error too
        print(escape_controls(text), file=sys.stderr)


def _system_error(error: OSError) -> str:
    """Return one line about an error of the system, such as a full disk.

    It has the name of the file, if known, and the reason. If the disk or a quota is full, the line says that
    the file, or "the output", cannot be written.
    """
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{error.filename or 'the output'}: cannot be written: {reason}"
    return reason if error.filename is None else f"{error.filename}: {reason}"


def _discard_output() -> None:
    """Redirect standard output to the null device, so that writing its buffer at exit does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
