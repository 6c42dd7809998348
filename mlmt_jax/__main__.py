"""The entry point of ``python -m mlmt_jax``, the same as the command ``mlmt``."""

from mlmt_jax.mlmt import start

if __name__ == "__main__":
    start()
