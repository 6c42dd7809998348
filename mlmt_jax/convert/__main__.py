"""The entry point of ``python -m mlmt_jax.convert``."""

from mlmt_jax.cli.entry import run
from mlmt_jax.convert import main

if __name__ == "__main__":
    run(main)
