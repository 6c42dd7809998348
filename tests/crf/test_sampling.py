"""Samples, pair marginals, entropy and span probabilities against the enumeration of every path."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crf_cases import SHAPES, Case, random_case
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import log_sum_exp, path_scores

from mlmt_jax import crf

SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.sampled_from([0.0, 0.2, 0.5])


def distribution(emissions: np.ndarray, chain: crf.Chain) -> tuple[np.ndarray, np.ndarray]:
    """List every path of a sentence and its probability; 0 if every path is forbidden."""
    if not len(emissions):
        return np.zeros((1, 0), int), np.ones(1)
    paths, scores = path_scores(emissions, *chain)
    total = log_sum_exp(scores)
    return paths, np.exp(scores - total) if np.isfinite(total) else np.zeros(len(scores))


@jax.jit
def every_function(case: Case, allowed):
    arguments = case.emissions, case.chain, case.lengths
    return (
        crf.pair_marginals(*arguments),
        crf.entropy(*arguments),
        crf.span_log_probability(*arguments, allowed),
    )


@pytest.mark.parametrize(("n", "t"), SHAPES)
@given(seed=SEEDS, forbidden=SHARES)
@settings(max_examples=10)
def test_pairs_entropy_and_spans_equal_the_enumeration(n, t, seed, forbidden):
    case = random_case(seed, n, t, forbidden=forbidden, scale=2.0)
    allowed = np.random.default_rng(seed).random(case.emissions.shape) < 0.7
    pairs, entropy, log_probability = every_function(case, allowed)
    for i, (emissions, _) in enumerate(case.sentences()):
        paths, shares = distribution(emissions, case.chain)
        length = len(emissions)
        expected = np.zeros((n - 1, t, t))
        for word in range(length - 1):
            np.add.at(expected[word], (paths[:, word], paths[:, word + 1]), shares)
        np.testing.assert_allclose(pairs[i], expected, 0, 2e-5)
        positive = shares[shares > 0]
        np.testing.assert_allclose(entropy[i], -np.sum(positive * np.log(positive)), 1e-4, 1e-4)
        fits = allowed[i, np.arange(length), paths].all(1)
        within = shares[fits].sum()
        if length and not within:
            assert log_probability[i] == -np.inf
        else:
            np.testing.assert_allclose(np.exp(log_probability[i]), within, 1e-4, 1e-5)


def test_entropy_of_equal_paths_is_the_logarithm_of_their_number():
    chain = crf.Chain(np.zeros((3, 3), np.float32), np.zeros(3, np.float32), np.zeros(3, np.float32))
    lengths = np.array([0, 1, 4, 7])
    entropy = crf.entropy(np.zeros((4, 7, 3), np.float32), chain, lengths)
    np.testing.assert_allclose(entropy, lengths * np.log(3), 1e-6, 1e-6)


def test_entropy_is_accurate_for_large_scores_and_long_sentences():
    random = np.random.default_rng(5)
    emissions = np.zeros((1, 2000, 2), np.float32)
    emissions[0, :, 0] = 100 * random.normal(size=2000)
    emissions[0, :, 1] = emissions[0, :, 0]
    chain = crf.Chain(np.zeros((2, 2), np.float32), np.zeros(2, np.float32), np.zeros(2, np.float32))
    np.testing.assert_allclose(crf.entropy(emissions, chain, np.array([2000])), 2000 * np.log(2), 1e-5)


def test_gradient_of_the_entropy_equals_finite_differences():
    case = random_case(3, 4, 3)
    with jax.enable_x64(True):
        emissions = jnp.asarray(case.emissions, jnp.float64)
        total = lambda emissions: jnp.sum(crf.entropy(emissions, case.chain, case.lengths))
        gradient = np.asarray(jax.grad(total)(emissions))
        toward = jnp.asarray(np.random.default_rng(0).normal(size=emissions.shape))
        slope = (total(emissions + 1e-5 * toward) - total(emissions - 1e-5 * toward)) / 2e-5
    np.testing.assert_allclose(np.sum(gradient * np.asarray(toward)), slope, 1e-5)


def test_samples_have_the_probabilities_of_their_paths():
    case = random_case(11, 4, 3, forbidden=0.15)
    draws = 20_000
    tags = np.asarray(
        crf.sample(jax.random.key(1), case.emissions, case.chain, case.lengths, (2, draws // 2))
    )
    assert tags.shape == (2, draws // 2, *case.tags.shape)
    tags = tags.reshape(draws, *case.tags.shape)
    tested = 0
    for i, (emissions, _) in enumerate(case.sentences()):
        assert not tags[:, i, len(emissions) :].any()
        paths, shares = distribution(emissions, case.chain)
        if not shares.any():
            continue
        weights = 3 ** np.arange(len(emissions))
        counts = np.bincount(tags[:, i, : len(emissions)] @ weights, minlength=3 ** len(emissions))
        expected = np.zeros(len(counts))
        np.add.at(expected, paths @ weights, shares * draws)
        assert not counts[expected == 0].any()
        large = expected > 5
        statistic = np.sum((counts[large] - expected[large]) ** 2 / expected[large])
        freedom = large.sum()
        # Five standard deviations above the mean of the chi-squared distribution.
        assert statistic < freedom + 5 * np.sqrt(2 * freedom) + 1e-9
        tested += freedom > 2
    assert tested


def test_samples_depend_on_the_key_alone():
    case = random_case(2, 6, 5)
    draw = lambda seed: np.asarray(
        crf.sample(jax.random.key(seed), case.emissions, case.chain, case.lengths, (7,))
    )
    assert draw(0).shape == (7, *case.tags.shape)
    assert (draw(0) == draw(0)).all()
    assert (draw(0) != draw(1)).any()
    single = crf.sample(jax.random.key(0), case.emissions, case.chain, case.lengths)
    assert single.shape == case.tags.shape
