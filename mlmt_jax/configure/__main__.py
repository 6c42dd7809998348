"""The command line."""

from mlmt_jax.cli.entry import run
from mlmt_jax.configure import main

if __name__ == "__main__":
    run(main)
