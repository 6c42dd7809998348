"""Character features against a slow convolution over each word alone."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from modules import applied, initial_params, random_params

from mlmt_jax.model.chars import CharCNN, Highway

FILTERS = ((1, 2), (2, 4), (5, 3))
CNN = CharCNN(9, 3, FILTERS)
RANDOM = np.random.default_rng(2)
PARAMS = random_params(CNN, np.zeros((1, 1), np.int32))


@jax.jit
def features(chars) -> jax.Array:
    return jnp.asarray(CNN.apply({"params": PARAMS}, chars))


def padded(words: list[list[int]], c: int) -> np.ndarray:
    return np.array([word + [0] * (c - len(word)) for word in words], np.int32)


def slow(words: list[list[int]]) -> np.ndarray:
    # Row 0 means "no character" and has no vector.
    table = np.concatenate([np.full((1, 3), np.nan), PARAMS["table"]])
    filters = [(PARAMS[f"kernel_{i}"], PARAMS[f"bias_{i}"]) for i in range(len(FILTERS))]
    return np.array([oracles.char_cnn(word, table, filters) for word in words])


WORDS = [RANDOM.integers(1, 9, length).tolist() for length in (7, 1, 4, 0, 5, 2, 3, 6)]


def test_features_are_the_largest_of_the_windows_within_the_word():
    assert PARAMS["table"].shape == (8, 3)
    assert CNN.features == 9
    np.testing.assert_allclose(features(padded(WORDS, 7)), slow(WORDS), 1e-5, 1e-5)


@pytest.mark.parametrize("c", [8, 16])
def test_features_do_not_depend_on_padding(c):
    np.testing.assert_allclose(features(padded(WORDS, c)), features(padded(WORDS, 7)), 1e-6, 1e-6)


def test_words_may_all_be_shorter_than_every_filter_but_one():
    words = [[3], [], [8]]
    np.testing.assert_allclose(features(padded(words, 1)), slow(words), 1e-5, 1e-5)


def test_leading_axes_are_those_of_the_words():
    chars = padded(WORDS, 7).reshape(2, 4, 7)
    np.testing.assert_allclose(features(chars).reshape(8, -1), features(chars.reshape(8, 7)), 1e-6, 1e-6)


def test_padding_gets_no_gradient_and_each_letter_does():
    chars = padded([[1, 2], [5, 6, 7], [2, 8, 8, 2]], 9)
    total = lambda params: jnp.sum(jnp.asarray(CNN.apply({"params": params}, chars)))
    by_letter = np.any(np.asarray(jax.jit(jax.grad(total))(PARAMS)["table"]) != 0, 1)
    np.testing.assert_array_equal(by_letter, [True, True, False, False, True, True, True, True])


def test_filters_start_at_unit_scale():
    params = initial_params(CharCNN(60, 50, ((3, 200),)), np.zeros((1, 1), np.int32))
    np.testing.assert_allclose(np.std(params["kernel_0"]), 1 / np.sqrt(3 * 50), 0.05)
    np.testing.assert_allclose(np.std(params["table"]), np.sqrt(2 / (59 + 50)), 0.1)
    np.testing.assert_array_equal(params["bias_0"], np.zeros(200))


@pytest.mark.parametrize("layers", [1, 3])
def test_highway_layers_mix_a_transform_with_their_input(layers):
    module = Highway(layers, jax.nn.selu)
    x = RANDOM.normal(size=(2, 3, 5)).astype(np.float32)
    params = random_params(module, x, seed=1)
    pair = lambda layer: (layer["kernel"], layer["bias"])
    expected = oracles.highway(
        x.astype(np.float64),
        [(pair(params[f"gate_{i}"]), pair(params[f"transform_{i}"])) for i in range(layers)],
        oracles.selu,
    )
    np.testing.assert_allclose(applied(module, params, x), expected, 1e-4, 1e-5)
