# pyright: reportMissingImports=false
"""The device of the peers in PyTorch."""

import jax
import torch


def device() -> torch.device:
    """Return the GPU if JAX uses one and PyTorch can, otherwise the CPU."""
    return torch.device("cuda" if jax.default_backend() == "gpu" and torch.cuda.is_available() else "cpu")
