"""What JAX compiles while a block runs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import jax


class _Compiled(logging.Handler):
    def __init__(self):
        super().__init__(logging.DEBUG)
        self.programs: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("Compiling "):
            self.programs.append(message.split(" with ")[0])


@contextmanager
def recorded_compilations() -> Iterator[list[str]]:
    """Yields a list that gets a line for each program as it is compiled."""
    logger, handler = logging.getLogger("jax"), _Compiled()
    propagated = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        with jax.log_compiles():
            yield handler.programs
    finally:
        logger.propagate = propagated
        logger.removeHandler(handler)
