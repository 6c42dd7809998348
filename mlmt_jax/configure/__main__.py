"""The entry point of ``python -m mlmt_jax.configure``."""

from mlmt_jax.cli.entry import run
from mlmt_jax.configure import main

if __name__ == "__main__":
    run(main)
