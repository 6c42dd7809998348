"""``python -m mlmt_jax.convert``: brings a checkpoint of the original PyTorch code over as a run."""

from mlmt_jax.convert.run_writer import main

__all__ = ["main"]
