"""Sums over all tag sequences against the enumeration of every path."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crf_cases import SHAPES, WIDE, Case, random_case
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import (
    crf_best,
    crf_forward_backward,
    crf_log_partition,
    crf_marginals,
    crf_path_score,
    crf_score,
    finite_differences,
)

from mlmt_jax import crf
from mlmt_jax.crf import Chain

SEEDS = st.integers(0, 2**32 - 1)
# At the upper end, most paths of a 4-word sentence are forbidden, in many sentences all.
SHARES = st.sampled_from([0.0, 0.2, 0.5])


@jax.jit
def every_function(emissions, tags, chain, lengths) -> dict[str, jax.Array]:
    return {
        "log_partition": crf.log_partition(emissions, chain, lengths),
        "score": crf.score(emissions, tags, chain, lengths),
        "log_likelihood": crf.log_likelihood(emissions, tags, chain, lengths),
        "marginals": crf.marginals(emissions, chain, lengths),
    }


def total_log_likelihood(emissions, tags, chain, lengths):
    return jnp.sum(crf.log_likelihood(emissions, tags, chain, lengths))


def total_log_partition(emissions, tags, chain, lengths):
    return jnp.sum(crf.log_partition(emissions, chain, lengths))


# With respect to emissions and chain.
likelihood_gradients = jax.jit(jax.grad(total_log_likelihood, (0, 2)))
partition_gradients = jax.jit(jax.grad(total_log_partition, (0, 2)))


def check_against_enumeration(case: Case):
    log_z = [crf_log_partition(e, *case.chain) for e, _ in case.sentences()]
    gold = [crf_score(e, y, *case.chain) for e, y in case.sentences()]
    likelihood = [-np.inf if np.isneginf(s) else s - z for s, z in zip(gold, log_z, strict=True)]
    shares = np.zeros(case.emissions.shape)
    for i, (e, _) in enumerate(case.sentences()):
        shares[i, : len(e)] = crf_marginals(e, *case.chain)
    results = every_function(*case)
    np.testing.assert_allclose(results["log_partition"], log_z, 1e-5, 1e-5)
    np.testing.assert_allclose(results["score"], gold, 1e-5, 1e-5)
    for actual, expected, z in zip(results["log_likelihood"], likelihood, log_z, strict=True):
        # The difference of two numbers as large as log Z, each accurate to 6e-8 of itself.
        np.testing.assert_allclose(actual, expected, 1e-5, 1e-5 + 1.2e-7 * abs(z))
    np.testing.assert_allclose(results["marginals"], shares, 0, 1e-5)


@pytest.mark.parametrize(("n", "t"), [*SHAPES, *WIDE])
def test_sums_equal_the_enumeration(n, t):
    check_against_enumeration(random_case(n + 10 * t, n, t))


@given(SEEDS, SHARES, st.sampled_from([0.1, 1.0, 10.0]))
@settings(max_examples=40)
def test_sums_equal_the_enumeration_of_allowed_paths(seed, forbidden, scale):
    check_against_enumeration(random_case(seed, 4, 3, forbidden=forbidden, scale=scale))


@pytest.mark.parametrize("t", [1, 2, 7])
def test_log_partition_of_zero_scores_is_n_log_t(t):
    lengths = np.arange(9)
    chain = Chain(np.zeros((t, t)), np.zeros(t), np.zeros(t))
    log_z = crf.log_partition(np.zeros((9, 8, t), np.float32), chain, lengths)
    np.testing.assert_allclose(log_z, lengths * np.log(t), 1e-6, 1e-6)


@given(SEEDS, SHARES)
@settings(max_examples=20)
def test_gradient_of_log_z_is_marginals_and_expected_transitions(seed, forbidden):
    case = random_case(seed, 4, 3, forbidden=forbidden)
    results = every_function(*case)
    by_emissions, by_chain = partition_gradients(*case)
    np.testing.assert_allclose(by_emissions, results["marginals"], 1e-5, 1e-6)
    # Each sentence that has a path starts once, ends once and moves between its words.
    words = case.lengths[np.isfinite(results["log_partition"]) & (case.lengths > 0)]
    for scores, times in zip(by_chain, (np.sum(words - 1), len(words), len(words)), strict=True):
        np.testing.assert_allclose(np.sum(np.asarray(scores)), times, 1e-5, 1e-5)


@pytest.mark.parametrize(("seed", "forbidden"), [(6, 0.0), (41, 0.15)])
def test_gradients_equal_finite_differences_of_the_enumeration(seed, forbidden):
    case = random_case(seed, 4, 3, forbidden=forbidden)
    exact = Case(
        case.emissions.astype(np.float64),
        case.tags,
        Chain(*(np.asarray(scores, np.float64) for scores in case.chain)),
        case.lengths,
    )

    def likelihood() -> float:
        total = 0.0
        for emissions, tags in exact.sentences():
            gold = crf_score(emissions, tags, *exact.chain)
            total += 0.0 if np.isneginf(gold) else gold - crf_log_partition(emissions, *exact.chain)
        return total

    slopes = finite_differences(likelihood, [exact.emissions, *map(np.asarray, exact.chain)])
    by_emissions, by_chain = likelihood_gradients(*case)
    for gradient, slope in zip([by_emissions, *by_chain], slopes, strict=True):
        assert np.any(slope)
        np.testing.assert_allclose(gradient, slope, 1e-4, 1e-4)


def test_nan_in_a_sentence_gives_nan_and_not_a_forbidden_tag():
    case = random_case(1, 3, 5)
    emissions = case.emissions.copy()
    emissions[0, 1, 0] = np.nan
    log_z = np.asarray(crf.log_partition(emissions, case.chain, np.array([3, 3, 0, 0, 0])))
    assert np.isnan(log_z[0])
    assert np.isfinite(log_z[1])


def test_long_sentence_with_large_scores_is_exact():
    n, t, k = 5000, 4, 3
    random = np.random.default_rng(0)
    emissions = (100 * random.normal(size=(n, t))).astype(np.float32)
    chain = Chain(*((100 * random.normal(size=shape)).astype(np.float32) for shape in ((t, t), t, t)))
    log_z, shares, moves = crf_forward_backward(emissions, *chain)
    assert np.sum((shares > 0.01) & (shares < 0.99)) > 100
    np.testing.assert_allclose(crf.log_partition(emissions, chain, n), log_z, 1e-6)
    np.testing.assert_allclose(crf.marginals(emissions, chain, n), shares, 0, 5e-5)
    value = lambda emissions, chain: crf.log_partition(emissions, chain, n)
    by_emissions, by_chain = jax.grad(value, (0, 1))(emissions, chain)
    np.testing.assert_allclose(by_emissions, shares, 0, 5e-5)
    np.testing.assert_allclose(by_chain.transitions, moves, 1e-6, 5e-5)
    np.testing.assert_allclose(by_chain.start, shares[0], 0, 5e-5)
    np.testing.assert_allclose(by_chain.end, shares[-1], 0, 5e-5)
    best = crf_best(emissions, *chain)
    tags, score = crf.viterbi(emissions, chain, n)
    paths, scores = crf.k_best(emissions, chain, n, k)
    np.testing.assert_allclose(score, best, 1e-4)
    np.testing.assert_allclose(scores, best, 1e-4)  # more than 2 ** 60 paths are this close
    assert np.all(np.diff(scores) <= 0)
    np.testing.assert_array_equal(paths[0], tags)
    assert len(np.unique(paths, axis=0)) == k
    for path in np.asarray(paths):
        np.testing.assert_allclose(crf_path_score(emissions, path, *chain), best, 1e-6)


def test_half_precision_is_summed_in_single_precision():
    case = random_case(2, 3, 5)
    emissions = jnp.asarray(case.emissions, jnp.float16)
    log_p = crf.log_likelihood(emissions, case.tags, case.chain, case.lengths)
    exact = crf.log_likelihood(emissions.astype(jnp.float32), case.tags, case.chain, case.lengths)
    assert log_p.dtype == crf.marginals(emissions, case.chain, case.lengths).dtype == jnp.float32
    np.testing.assert_array_equal(log_p, exact)


def test_mixed_precision_uses_the_higher_one():
    case = random_case(2, 3, 5)
    with jax.enable_x64(True):
        chain = Chain(*(np.asarray(scores, np.float64) for scores in case.chain))
        log_z = crf.log_partition(case.emissions, chain, case.lengths)
        assert log_z.dtype == jnp.float64
        expected = [crf_log_partition(e, *chain) for e, _ in case.sentences()]
        np.testing.assert_allclose(log_z, expected, 1e-12)
