import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlmt_jax.model.masking import dropout, length_mask, random_bytes

KEY = jax.random.key(5)


def test_the_mask_is_true_for_the_first_words():
    mask = length_mask(np.array([[0, 2], [3, 1]]), 3)
    expected = [[[0, 0, 0], [1, 1, 0]], [[1, 1, 1], [1, 0, 0]]]
    np.testing.assert_array_equal(mask, np.array(expected, bool))
    np.testing.assert_array_equal(length_mask(jnp.int32(1), 2), [True, False])


def drawn(sentences: int, words: int, *sizes: int, key: jax.Array = KEY) -> list[jax.Array]:
    """Random bits for all words of some sentences, one sentence after another."""
    places = (np.arange(sentences)[:, None] << 16) + np.arange(words)
    return random_bytes(key, places.reshape(-1).astype(np.uint32), sizes)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.6, 0.9, 0.99])
def test_dropout_keeps_the_expectation(rate):
    n = 40_000
    kept = np.asarray(dropout(jnp.full((200, 200), 3.0), rate, *drawn(8, 25, 200))) / 3.0
    scale = np.max(kept)
    # A unit is 0 or scaled by the inverse of its chance, and the chance is the rate's to 1/256.
    np.testing.assert_allclose(np.unique(kept), [0.0, scale], 1e-6)
    np.testing.assert_allclose(1 / scale, 1 - rate, 0, 1 / 256)
    deviation = np.sqrt((scale - 1) / n)
    assert abs(np.mean(kept) - 1.0) < 4 * deviation


@pytest.mark.parametrize(("rate", "there"), [(0.0, True), (0.5, False), (0.0, False), (0.001, True)])
def test_without_a_rate_or_random_bits_dropout_is_the_identity(rate, there):
    x = np.random.default_rng(0).normal(size=(200, 200)).astype(np.float32)
    bits = drawn(4, 50, 200)[0] if there else None
    np.testing.assert_array_equal(dropout(jnp.asarray(x), rate, bits), x)


def test_the_key_decides_what_is_drawn():
    keys = KEY, KEY, jax.random.key(6)
    first, again, other = (np.asarray(drawn(4, 50, 200, key=key)[0]) for key in keys)
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.uint8
    assert 0.99 < np.mean(first != other) < 1


def test_packing_changes_nothing_of_what_is_drawn():
    whole = [np.asarray(part).reshape(7, 9, -1) for part in drawn(7, 9, 11, 6)]
    part = [np.asarray(part).reshape(5, 4, -1) for part in drawn(5, 4, 11, 6)]
    for all_of_it, some in zip(whole, part, strict=True):
        np.testing.assert_array_equal(some, all_of_it[:5, :4])
    # Sentences, words, features and sites are all drawn for themselves.
    flat, other = whole
    assert not any((flat[i] == flat[0]).all() for i in range(1, 7))
    assert not any((flat[:, i] == flat[:, 0]).all() for i in range(1, 9))
    assert not any((flat[..., i] == flat[..., 0]).all() for i in range(1, 11))
    assert not (flat[..., :6] == other).all()


def test_the_highest_rates_leave_something():
    kept = np.asarray(dropout(jnp.ones((200, 200)), 0.9999, *drawn(4, 50, 200)))
    assert np.any(kept)
    assert np.mean(kept > 0) < 0.01
