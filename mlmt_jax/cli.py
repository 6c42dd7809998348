"""What every command line does around its work: user errors become one message and status 2."""

import io
import os
import sys
from collections.abc import Callable

from mlmt_jax.errors import InputError

__all__ = ["run"]


def run(main: Callable[[], None]) -> None:
    """Calls ``main``; bad input ends with its message on standard error and status 2, no traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A task's name must not end a run on a terminal that lacks its letters.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        main()
        sys.stdout.flush()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        # The reader went away (`| head`): nothing is left to say, not even at interpreter exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
