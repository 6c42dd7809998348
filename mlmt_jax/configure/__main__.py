"""The entry point of ``mlmt configure``."""

from mlmt_jax.cli.entry import run
from mlmt_jax.configure import main

if __name__ == "__main__":
    run(main)
