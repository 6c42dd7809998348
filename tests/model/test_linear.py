"""Linear layers and multi-layer perceptrons against NumPy."""

import jax
import numpy as np
import oracles
import pytest
from modules import applied, initial_params, random_params

from mlmt_jax.model.linear import MLP, Linear


def test_a_linear_layer_is_orthogonal_with_bias_zero_at_the_start():
    params = initial_params(Linear(4), 7)
    np.testing.assert_allclose(params["kernel"].T @ params["kernel"], np.eye(4), 0, 1e-5)
    np.testing.assert_array_equal(params["bias"], np.zeros(4))


@pytest.mark.parametrize("hidden", [(), (5,), (5, 2)])
def test_an_mlp_is_linear_layers_with_activations_between(hidden):
    module = MLP(3, hidden, jax.nn.selu)
    x = np.random.default_rng(1).normal(size=(2, 6, 4)).astype(np.float32)
    params = random_params(module, 4)
    expected = x.astype(np.float64)
    for i in range(len(hidden)):
        layer = params[f"hidden_{i}"]
        expected = oracles.selu(oracles.linear(expected, layer["kernel"], layer["bias"]))
    expected = oracles.linear(expected, params["output"]["kernel"], params["output"]["bias"])
    assert len(params) == len(hidden) + 1
    np.testing.assert_allclose(applied(module, params, x), expected, 1e-4, 1e-5)
