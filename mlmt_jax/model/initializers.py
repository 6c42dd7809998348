"""Parameter initializers for Flax that draw with NumPy.

A program that draws takes a quarter of a second to compile for each shape, ten seconds for a whole model.
NumPy draws in milliseconds.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

Initializer = Callable[[jax.Array, tuple[int, ...]], jax.Array]


def by_numpy(draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]) -> Initializer:
    """Return the initializer that calls ``draw`` with a generator seeded by the key; also under ``jit``.

    Args:
        draw: function of a generator and a shape; its result is converted to float32.

    Returns:
        A function of a PRNG key and a shape. The same key and shape give the same values on all
        devices.
    """

    def initialize(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        def on_host(data: jax.Array | np.ndarray) -> np.ndarray:
            return draw(np.random.default_rng(np.asarray(data)), shape).astype(np.float32, copy=False)

        data = jax.random.key_data(key)
        if isinstance(data, Tracer):
            result = jax.ShapeDtypeStruct(shape, jnp.float32)
            return jax.pure_callback(on_host, result, data, vmap_method="sequential")
        return jnp.asarray(on_host(data))

    return initialize


def zeros(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return float32 zeros of a shape, without compiling a program; the key is not used."""
    return jnp.asarray(np.zeros(shape, np.float32))


def normal(deviation: float) -> Initializer:
    """Return the initializer that draws normal values with mean 0 and this standard deviation."""
    return by_numpy(lambda random, shape: deviation * random.standard_normal(shape, np.float32))


@by_numpy
def xavier_normal(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw normal values with variance 2 / (rows + columns) (Glorot & Bengio 2010); shapes have two axes."""
    return (2 / sum(shape)) ** 0.5 * random.standard_normal(shape, np.float32)


@by_numpy
def lecun_normal(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw normal values with variance 1 / fan-in, the product of all axes but the last, that of outputs."""
    return math.prod(shape[:-1]) ** -0.5 * random.standard_normal(shape, np.float32)


def orthogonal_matrices(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw matrices (..., m, n) with orthonormal rows or columns, whichever are fewer (Saxe et al. 2014).

    They are uniform over such matrices: the Q of a Gaussian matrix whose R has a positive diagonal.
    """
    *leading, rows, columns = shape
    q, r = np.linalg.qr(random.standard_normal((*leading, max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diagonal(r, axis1=-2, axis2=-1))[..., None, :]
    return q if rows >= columns else np.swapaxes(q, -1, -2)


orthogonal = by_numpy(orthogonal_matrices)
