# pyright: reportMissingImports=false
"""Where peers in PyTorch compute."""

import jax
import torch

__all__ = ["device"]


def device() -> torch.device:
    """Where the peers run: on the GPU where JAX does too."""
    return torch.device("cuda" if jax.default_backend() == "gpu" and torch.cuda.is_available() else "cpu")
