import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlmt_jax.model.masking import dropout, length_mask

KEY = jax.random.key(5)


def test_the_mask_is_true_for_the_first_words():
    mask = length_mask(np.array([[0, 2], [3, 1]]), 3)
    expected = [[[0, 0, 0], [1, 1, 0]], [[1, 1, 1], [1, 0, 0]]]
    np.testing.assert_array_equal(mask, np.array(expected, bool))
    np.testing.assert_array_equal(length_mask(jnp.int32(1), 2), [True, False])


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.6, 0.9, 0.99])
def test_dropout_keeps_the_expectation(rate):
    n = 40_000
    kept = np.asarray(dropout(jnp.full((8, 25, 200), 3.0), rate, KEY)) / 3.0
    scale = np.max(kept)
    # A unit is 0 or scaled by the inverse of its chance, and the chance is the rate's to 1/256.
    np.testing.assert_allclose(np.unique(kept), [0.0, scale], 1e-6)
    np.testing.assert_allclose(1 / scale, 1 - rate, 0, 1 / 256)
    deviation = np.sqrt((scale - 1) / n)
    assert abs(np.mean(kept) - 1.0) < 4 * deviation


@pytest.mark.parametrize(("rate", "key"), [(0.0, KEY), (0.5, None), (0.0, None), (0.001, KEY)])
def test_without_a_rate_or_a_key_dropout_is_the_identity(rate, key):
    x = np.random.default_rng(0).normal(size=(4, 50, 200)).astype(np.float32)
    np.testing.assert_array_equal(dropout(jnp.asarray(x), rate, key), x)


def test_the_key_decides_what_is_dropped():
    x = jnp.ones((4, 50, 200))
    first, again, other = (np.asarray(dropout(x, 0.5, k)) for k in (KEY, KEY, jax.random.key(6)))
    np.testing.assert_array_equal(first, again)
    assert 0.45 < np.mean(first != other) < 0.55


def test_padding_changes_nothing_of_what_is_dropped():
    whole = np.asarray(dropout(jnp.ones((7, 9, 11)), 0.5, KEY))
    part = np.asarray(dropout(jnp.ones((5, 4, 11)), 0.5, KEY))
    np.testing.assert_array_equal(part, whole[:5, :4])
    # Sentences, words and features are all drawn for themselves.
    flat = whole > 0
    assert not any((flat[i] == flat[0]).all() for i in range(1, 7))
    assert not any((flat[:, i] == flat[:, 0]).all() for i in range(1, 9))
    assert not any((flat[..., i] == flat[..., 0]).all() for i in range(1, 11))


def test_the_highest_rates_leave_something():
    kept = np.asarray(dropout(jnp.ones((4, 50, 200)), 0.9999, KEY))
    assert np.any(kept)
    assert np.mean(kept > 0) < 0.01
