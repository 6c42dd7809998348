"""Training in a process of its own. Stands here since processes import it by its name."""

import os
from pathlib import Path


def train(arguments: list[str], log: Path) -> None:
    """The command line, in a process that has imported everything and opened no device."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    from mlmt_jax.cli.entry import run
    from mlmt_jax.train import main

    run(lambda: main(arguments))
