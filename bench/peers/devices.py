# pyright: reportMissingImports=false
"""The device of the peers in PyTorch."""

import sys

import torch


def device() -> torch.device:
    """Return the GPU if PyTorch can use one, and JAX does or is not loaded; otherwise the CPU."""
    jax = sys.modules.get("jax")
    is_gpu = torch.cuda.is_available() and (jax is None or jax.default_backend() == "gpu")
    return torch.device("cuda" if is_gpu else "cpu")
