"""Flax modules as pairs of parameters and a function."""

from typing import Any

import jax
import numpy as np
from flax import linen as nn

Params = dict[str, Any]


def initial_params(module: nn.Module, *sizes: int, seed: int = 0) -> Params:
    """Return the initial parameters of a module for inputs of these sizes."""
    return dict(module.init(jax.random.key(seed), *sizes, method="weights")["params"])


def random_params(module: nn.Module, *sizes: int, seed: int = 0) -> Params:
    """Return normal values in the shapes of the module's parameters: no entry is 0."""
    shapes = jax.eval_shape(lambda: initial_params(module, *sizes))
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: random.normal(size=leaf.shape).astype(np.float32), shapes)


def applied(module: nn.Module, params: Params, *inputs: Any) -> np.ndarray:
    """Return the output of the module."""
    return np.asarray(module.apply({"params": params}, *inputs))
