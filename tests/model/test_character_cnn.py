"""Character features against a slow_features convolution over each word alone."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from modules import applied, initial_params, random_params

from mlmt_jax.model.character_cnn import CharCNN, Highway

FILTERS = ((1, 2), (2, 4), (5, 3))
CNN = CharCNN(9, 3, FILTERS)
RANDOM = np.random.default_rng(2)
ONE = np.ones(1, np.int32)
PARAMS = random_params(CNN)


@jax.jit
def features(params, words) -> jax.Array:
    return jnp.asarray(CNN.apply({"params": params}, *words))


def end_to_end(words: list[list[int]], more: int = 0) -> tuple[np.ndarray, ...]:
    """Return chars, segment_ids and segment_ends of words, padded by ``more`` characters and words."""
    words = [word or [0] for word in words]
    segment_ids = np.repeat(np.arange(len(words)), [len(word) for word in words])
    ends = np.cumsum([len(word) for word in words])
    last = len(words) + more - 1
    return (
        np.pad(np.concatenate(words), (0, more)).astype(np.int32),
        np.pad(segment_ids, (0, more), constant_values=last).astype(np.int32),
        np.pad(ends, (0, more)).astype(np.int32),
    )


def slow_features(words: list[list[int]]) -> np.ndarray:
    # Row 0 means "no character" and has no vector.
    table = np.concatenate([np.full((1, 3), np.nan), PARAMS["table"]])
    filters = [(PARAMS[f"kernel_{i}"], PARAMS[f"bias_{i}"]) for i in range(len(FILTERS))]
    return np.array([oracles.char_cnn(word, table, filters) for word in words])


WORDS = [RANDOM.integers(1, 9, length).tolist() for length in (7, 1, 4, 0, 5, 2, 3, 6)]


def test_features_are_the_largest_of_the_windows_within_the_word():
    assert PARAMS["table"].shape == (8, 3)
    assert CNN.features == 9
    np.testing.assert_allclose(features(PARAMS, end_to_end(WORDS)), slow_features(WORDS), 1e-5, 1e-5)


@pytest.mark.parametrize("more", [1, 9])
def test_features_do_not_depend_on_padding_nor_on_other_words(more):
    padded_features = np.asarray(features(PARAMS, end_to_end(WORDS, more)))[: len(WORDS)]
    np.testing.assert_array_equal(padded_features, features(PARAMS, end_to_end(WORDS)))
    reversed_features = features(PARAMS, end_to_end(WORDS[::-1]))[::-1]
    np.testing.assert_array_equal(reversed_features, padded_features)


def test_all_words_may_be_shorter_than_a_filter():
    words = [[3], [], [8]]
    np.testing.assert_allclose(features(PARAMS, end_to_end(words)), slow_features(words), 1e-5, 1e-5)


def test_the_gradient_is_that_of_plain_windows():
    # If two windows of a word are equal and the largest, they share the slope.
    words = [*WORDS, [1, 2, 1, 2, 1], [4, 4, 4, 4]]
    weights = RANDOM.normal(size=(len(words), CNN.features)).astype(np.float32)

    def plain(params):
        table, total = jnp.concatenate([jnp.zeros((1, 3)), params["table"]]), 0.0
        for word, weight in zip(words, weights, strict=True):
            column = 0
            for i, (width, count) in enumerate(FILTERS):
                letters = table[jnp.array((word or [0]) + [0] * max(0, width - max(len(word), 1)))]
                windows = [letters[j : j + width] for j in range(len(letters) - width + 1)]
                scores = jnp.stack([jnp.einsum("wd,wdf->f", w, params[f"kernel_{i}"]) for w in windows])
                maxima = jax.nn.relu(jnp.max(scores, 0) + params[f"bias_{i}"])
                total += jnp.sum(maxima * weight[column : column + count])
                column += count
        return total

    weighted_sum = lambda params: jnp.sum(features(params, end_to_end(words, 4))[: len(words)] * weights)
    jax.tree.map(
        partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5),
        jax.grad(weighted_sum)(PARAMS),
        jax.grad(plain)(PARAMS),
    )


def test_padding_gets_no_gradient_and_each_character_does():
    words = end_to_end([[1, 2], [5, 6, 7], [2, 8, 8, 2]], 5)
    total = lambda params: jnp.sum(features(params, words)[:3])
    by_letter = np.any(np.asarray(jax.jit(jax.grad(total))(PARAMS)["table"]) != 0, 1)
    np.testing.assert_array_equal(by_letter, [True, True, False, False, True, True, True, True])


def test_filters_start_at_unit_scale():
    params = initial_params(CharCNN(60, 50, ((3, 200),)))
    np.testing.assert_allclose(np.std(params["kernel_0"]), 1 / np.sqrt(3 * 50), 0.05)
    np.testing.assert_allclose(np.std(params["table"]), np.sqrt(2 / (59 + 50)), 0.1)
    np.testing.assert_array_equal(params["bias_0"], np.zeros(200))


@pytest.mark.parametrize("layers", [1, 3])
def test_highway_layers_mix_a_transform_with_their_input(layers):
    module = Highway(layers, jax.nn.selu)
    x = RANDOM.normal(size=(2, 3, 5)).astype(np.float32)
    params = random_params(module, 5, seed=1)
    pair = lambda layer: (layer["kernel"], layer["bias"])
    expected = oracles.highway(
        x.astype(np.float64),
        [(pair(params[f"gate_{i}"]), pair(params[f"transform_{i}"])) for i in range(layers)],
        oracles.selu,
    )
    np.testing.assert_allclose(applied(module, params, x), expected, 1e-4, 1e-5)
