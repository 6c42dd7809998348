"""Initializers: scales, orthogonality, and values as a function of the key."""

from functools import partial

import jax
import numpy as np
import pytest

from mlmt_jax.model.initializers import by_numpy, lecun_normal, normal, orthogonal, xavier_normal, zeros

KEY = jax.random.key(3)


@pytest.mark.parametrize("shape", [(1, 1), (9, 4), (4, 9), (40, 40), (2, 3, 5, 2)])
def test_rows_or_columns_are_orthonormal(shape):
    matrices = orthogonal(KEY, shape)
    assert matrices.shape == shape
    across = np.swapaxes(matrices, -1, -2)
    fewer = matrices @ across if shape[-2] <= shape[-1] else across @ matrices
    np.testing.assert_allclose(fewer, np.broadcast_to(np.eye(min(shape[-2:])), fewer.shape), 0, 1e-5)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
def test_orthogonal_matrices_are_uniform(shape):
    matrices = np.asarray(orthogonal(KEY, (4000, *shape)))
    # Entries are a coordinate of a uniform point on the sphere: mean 0, variance 1/5.
    np.testing.assert_allclose(np.mean(matrices, 0), 0.0, 0, 5 * np.sqrt(0.2 / 4000))
    np.testing.assert_allclose(np.mean(matrices**2, 0), 0.2, 0, 5 * np.sqrt(0.2 / 4000))


@pytest.mark.parametrize(
    ("start", "shape", "deviation"),
    [
        (xavier_normal, (300, 100), np.sqrt(2 / 400)),
        (lecun_normal, (3, 50, 200), np.sqrt(1 / 150)),
        (normal(0.1), (200, 150), 0.1),
    ],
)
def test_normal_values_have_their_scale(start, shape, deviation):
    values = start(KEY, shape)
    np.testing.assert_allclose(np.std(values), deviation, 0.03)
    np.testing.assert_allclose(np.mean(values), 0.0, 0, 5 * deviation / np.sqrt(values.size))


@pytest.mark.parametrize("start", [xavier_normal, lecun_normal, normal(0.1), orthogonal])
def test_values_are_a_function_of_the_key(start):
    values = start(KEY, (4, 7))
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, start(jax.random.key(3), (4, 7)))
    assert not np.any(values == start(jax.random.key(4), (4, 7)))
    # Under jit the values are the same, and the shape is known without drawing.
    traced = partial(start, shape=(4, 7))
    np.testing.assert_array_equal(values, jax.jit(traced)(KEY))
    assert jax.eval_shape(traced, KEY) == jax.ShapeDtypeStruct((4, 7), np.float32)
    keys = jax.random.split(KEY, 3)
    np.testing.assert_array_equal(jax.vmap(traced)(keys), [start(key, (4, 7)) for key in keys])


def test_shapes_are_computed_without_drawing():
    def refuse(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        raise AssertionError("drawn")

    # Shapes are computed before it is known whether the model fits into memory.
    assert jax.eval_shape(lambda key: by_numpy(refuse)(key, (2, 3)), KEY).shape == (2, 3)
    np.testing.assert_array_equal(zeros(KEY, (2, 3)), np.zeros((2, 3), np.float32))
