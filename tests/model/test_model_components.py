import jax
import numpy as np
import oracles
import pytest
from modules import applied, initial_params, random_params

from mlmt_jax.model.components import MLP, Linear, orthogonal

KEY = jax.random.key(3)


@pytest.mark.parametrize("shape", [(1, 1), (9, 4), (4, 9), (40, 40)])
def test_rows_or_columns_are_orthonormal(shape):
    drawn = np.asarray(jax.jit(orthogonal, static_argnums=1)(KEY, shape))
    fewer = drawn @ drawn.T if shape[0] <= shape[1] else drawn.T @ drawn
    assert drawn.shape == shape
    np.testing.assert_allclose(fewer, np.eye(min(shape)), 0, 1e-4)


def test_orthogonal_matrices_are_spread_evenly():
    draw = jax.jit(jax.vmap(lambda key: orthogonal(key, (3, 5))))
    drawn = np.asarray(draw(jax.random.split(KEY, 4000)))
    # Entries are a coordinate of a uniform point on the sphere: mean 0, variance 1/5.
    np.testing.assert_allclose(np.mean(drawn, 0), 0.0, 0, 5 * np.sqrt(0.2 / 4000))
    np.testing.assert_allclose(np.mean(drawn**2, 0), 0.2, 0, 5 * np.sqrt(0.2 / 4000))


def test_a_linear_layer_is_orthogonal_with_bias_zero_at_the_start():
    params = initial_params(Linear(4), np.zeros((2, 7)))
    np.testing.assert_allclose(params["kernel"].T @ params["kernel"], np.eye(4), 0, 1e-5)
    np.testing.assert_array_equal(params["bias"], np.zeros(4))


@pytest.mark.parametrize("hidden", [(), (5,), (5, 2)])
def test_an_mlp_is_linear_layers_with_activations_between(hidden):
    module = MLP(3, hidden, jax.nn.selu)
    x = np.random.default_rng(1).normal(size=(2, 6, 4)).astype(np.float32)
    params = random_params(module, x)
    expected = x.astype(np.float64)
    for i in range(len(hidden)):
        layer = params[f"hidden_{i}"]
        expected = oracles.selu(oracles.linear(expected, layer["kernel"], layer["bias"]))
    expected = oracles.linear(expected, params["output"]["kernel"], params["output"]["bias"])
    assert len(params) == len(hidden) + 1
    np.testing.assert_allclose(applied(module, params, x), expected, 1e-4, 1e-5)
