"""A record of the programs that JAX compiles during a block."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import jax


class _CompilationHandler(logging.Handler):
    """A log handler that keeps the names of compiled programs."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.programs: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("Compiling "):
            self.programs.append(message.split(" with ")[0])


@contextmanager
def recorded_compilations() -> Iterator[list[str]]:
    """Yield a list to which a line is appended for each program that is compiled."""
    logger, handler = logging.getLogger("jax"), _CompilationHandler()
    propagated = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    before = jax.config.values["jax_log_compiles"]
    jax.config.update("jax_log_compiles", True)  # in all threads, unlike jax.log_compiles
    try:
        yield handler.programs
    finally:
        jax.config.update("jax_log_compiles", before)
        logger.propagate = propagated
        logger.removeHandler(handler)
