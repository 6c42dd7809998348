"""Dropout: expectation, keys, and independence of padding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlmt_jax.model.masking import dropout, random_bytes

KEY = jax.random.key(5)


def draw_bits(sentences: int, words: int, *sizes: int, key: jax.Array = KEY) -> list[jax.Array]:
    """Draw bits for all words of some sentences, one sentence after another."""
    dropout_ids = (np.arange(sentences)[:, None] << 16) + np.arange(words)
    return random_bytes(key, dropout_ids.reshape(-1).astype(np.uint32), sizes)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.6, 0.9, 0.99])
def test_dropout_keeps_the_expectation(rate):
    n = 40_000
    outputs = np.asarray(dropout(jnp.full((200, 200), 3.0), rate, *draw_bits(8, 25, 200))) / 3.0
    scale = np.max(outputs)
    # A unit is 0 or scaled by the inverse of its chance, and the chance is the rate's to 1/256.
    np.testing.assert_allclose(np.unique(outputs), [0.0, scale], 1e-6)
    np.testing.assert_allclose(1 / scale, 1 - rate, 0, 1 / 256)
    deviation = np.sqrt((scale - 1) / n)
    assert abs(np.mean(outputs) - 1.0) < 4 * deviation


@pytest.mark.parametrize(("rate", "has_bits"), [(0.0, True), (0.5, False), (0.0, False), (0.001, True)])
def test_without_a_rate_or_random_bits_dropout_is_the_identity(rate, has_bits):
    x = np.random.default_rng(0).normal(size=(200, 200)).astype(np.float32)
    bits = draw_bits(4, 50, 200)[0] if has_bits else None
    np.testing.assert_array_equal(dropout(jnp.asarray(x), rate, bits), x)


def test_bits_are_a_function_of_the_key():
    keys = KEY, KEY, jax.random.key(6)
    first, again, other_bits = (np.asarray(draw_bits(4, 50, 200, key=key)[0]) for key in keys)
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.uint8
    assert 0.99 < np.mean(first != other_bits) < 1


def test_bits_do_not_depend_on_packing():
    all_bits = [np.asarray(part).reshape(7, 9, -1) for part in draw_bits(7, 9, 11, 6)]
    part = [np.asarray(part).reshape(5, 4, -1) for part in draw_bits(5, 4, 11, 6)]
    for all_of_it, subset in zip(all_bits, part, strict=True):
        np.testing.assert_array_equal(subset, all_of_it[:5, :4])
    # Sentences, words, features and sites are all draw_bits for themselves.
    flat, second = all_bits
    assert not any((flat[i] == flat[0]).all() for i in range(1, 7))
    assert not any((flat[:, i] == flat[:, 0]).all() for i in range(1, 9))
    assert not any((flat[..., i] == flat[..., 0]).all() for i in range(1, 11))
    assert not (flat[..., :6] == second).all()


def test_the_highest_rate_keeps_some_units():
    outputs = np.asarray(dropout(jnp.ones((200, 200)), 0.9999, *draw_bits(4, 50, 200)))
    assert np.any(outputs)
    assert np.mean(outputs > 0) < 0.01
