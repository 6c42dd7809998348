"""The command that converts a checkpoint of the original PyTorch code to a run folder."""

from mlmt_jax.convert.run_writer import main

__all__ = ["main"]
