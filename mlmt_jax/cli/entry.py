"""What every command line does around its work: user errors become one message and status 2."""

import argparse
import contextlib
import errno
import io
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from mlmt_jax.cli.environment import keep_memory, keep_programs, leave_settings, mend_streams
from mlmt_jax.errors import InputError

if TYPE_CHECKING:
    from mlmt_jax.tagger import Tagger

__all__ = [
    "add_column_arguments",
    "add_config_arguments",
    "add_tagger_arguments",
    "escaped",
    "given_columns",
    "load_tagger",
    "run",
]


_INTERRUPTED = "\ninterrupted"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def run(main: Callable[[], None]) -> None:
    """Calls ``main``; bad input, or what the system refuses, ends with a message and status 2."""
    mend_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A task's name must not end a run on a terminal that lacks its letters.
        sys.stdout.reconfigure(errors="backslashreplace")
    leave_settings()
    keep_programs()
    keep_memory()
    try:
        with _interruptible():
            main()
            sys.stdout.flush()
    except InputError as error:
        _say(f"error: {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        _say(_INTERRUPTED)
        sys.exit(130)
    except BrokenPipeError:
        _say_no_more()
        sys.exit(141)  # the reader went away (`| head`)
    except OSError as error:
        if error.errno is None and error.filename is None:
            raise  # not the system's
        _say(f"error: {_refused(error)}")
        try:
            sys.stdout.flush()
        except OSError:
            _say_no_more()
        sys.exit(2)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Has Ctrl-C end the process at any time, unless somebody else has said what it does."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    # Where this would not come through, the process ends at once: a module that is being imported may turn it
    # into another error, and Python drops it in JAX's callback of the garbage collector.
    inner = frame
    while inner is not None:
        code = inner.f_code
        if code.co_filename.startswith("<frozen importlib") or code.co_name == "_xla_gc_callback":
            _say(_INTERRUPTED)
            os._exit(130)
        inner = inner.f_back
    signal.default_int_handler(signum, frame)


def _say(text: str) -> None:
    # Names may come from files; a terminal obeys what they hold.
    text = _CONTROL.sub(escaped, text)
    with contextlib.suppress(OSError):  # the exit status says it as well
        print(text, file=sys.stderr)


def escaped(found: re.Match[str]) -> str:
    """A control character as text."""
    return f"\\x{ord(found[0]):02x}"


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


_SEPARATORS = {"tab": "\t", "space": " ", "any": None}


def add_column_arguments(parser: argparse.ArgumentParser) -> None:
    """The options for a file whose columns are not those of the training file."""
    parser.add_argument(
        "--token-col",
        type=int,
        metavar="N",
        help="column of the tokens, from 0 (default: the training file's)",
    )
    parser.add_argument(
        "--separator",
        choices=_SEPARATORS,
        help="what parts the columns; any: tabs where a line has one, else spaces (default: as in the "
        "training file)",
    )
    parser.add_argument(
        "--no-comments",
        action="store_true",
        help="lines that begin with # are tokens (default: as in the training file)",
    )


def given_columns(args: argparse.Namespace) -> dict[str, Any]:
    """The fields of ``ColumnFormat`` that the options name."""
    fields = {name: getattr(args, name, None) for name in ("token_col", "label_col", "encoding")}
    found = {name: value for name, value in fields.items() if value is not None}
    if args.separator is not None:
        found["separator"] = _SEPARATORS[args.separator]
    if args.no_comments:
        found["skip_comment"] = False
    return found


def load_tagger(args: argparse.Namespace) -> "Tagger":
    """The tagger that the options choose.

    Raises:
        InputError: as ``Tagger.load``.
    """
    from mlmt_jax.ensemble import Ensemble
    from mlmt_jax.tagger import Tagger
    from mlmt_jax.training.processes import first_device

    first_device()  # before a run is read
    if args.ensemble:
        return Ensemble.load(args.run, args.task, args.vectors)
    return Tagger.load(args.run, args.task, args.vectors, args.replica)
