"""Training in a forked process, which imports this module by its name."""

import os
from pathlib import Path


def train(arguments: list[str], log: Path) -> None:
    """Run the command line; standard output and standard error are appended to a log.

    Args:
        arguments: arguments of ``mlmt_jax.train``.
        log: the log.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    from mlmt_jax.cli.entry import run
    from mlmt_jax.train import main

    run(lambda: main(arguments))
