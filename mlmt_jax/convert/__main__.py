"""The command line."""

from mlmt_jax.cli import run
from mlmt_jax.convert import main

if __name__ == "__main__":
    run(main)
