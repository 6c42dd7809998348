"""Log probabilities along one tag sequence against the enumeration of every path."""

import jax
import numpy as np
import pytest
from crf_cases import SHAPES, random_case
from oracles import log_sum_exp, path_scores

from mlmt_jax import crf

along = jax.jit(crf.path_log_probabilities)


def conditionals(emissions, tags, chain) -> list[float]:
    """Compute log P(tag | all tags before it) by enumeration, without the Markov property."""
    paths, scores = path_scores(emissions, *chain)
    steps = []
    for i in range(len(tags)):
        before = np.all(paths[:, :i] == tags[:i], 1)
        with_tag = log_sum_exp(scores[before & (paths[:, i] == tags[i])])
        steps.append(with_tag - log_sum_exp(scores[before]) if np.isfinite(with_tag) else -np.inf)
    return steps


@pytest.mark.parametrize("forbidden", [0.0, 0.3])
@pytest.mark.parametrize("shape", SHAPES)
def test_each_step_is_a_conditional_probability(shape, forbidden):
    impossible = 0
    for seed in range(5):
        case = random_case(seed, *shape, forbidden=forbidden)
        steps = np.asarray(along(*case))
        assert not np.any(np.isnan(steps))
        for row, (emissions, tags) in zip(steps, case.sentences(), strict=True):
            n = len(tags)
            np.testing.assert_array_equal(row[n:], 0)
            if n:
                expected = conditionals(emissions, tags, case.chain)
                # After a forbidden tag, the conditional probabilities are undefined.
                possible = n if np.all(np.isfinite(expected)) else int(np.argmin(np.isfinite(expected)))
                np.testing.assert_allclose(row[:possible], expected[:possible], 1e-4, 1e-5)
                assert possible == n or np.isneginf(row.sum())
                impossible += possible < n
    assert (impossible > 0) == (forbidden > 0)


def test_sum_of_steps_is_the_log_likelihood():
    case = random_case(3, 40, 7, scale=3.0)
    expected = crf.log_likelihood(case.emissions, case.tags, case.chain, case.lengths)
    np.testing.assert_allclose(np.sum(along(*case), -1), expected, 1e-5, 1e-4)


def test_marginal_and_steps_give_the_probability_of_a_span():
    case = random_case(5, 9, 4)
    steps = np.asarray(along(*case))
    shares = np.asarray(crf.marginals(case.emissions, case.chain, case.lengths))
    row = int(np.argmax(case.lengths))
    for first, last in ((0, 8), (2, 2), (3, 6), (7, 8)):
        allowed = np.ones(case.emissions.shape[1:], bool)
        for i in range(first, last + 1):
            allowed[i] = np.arange(4) == case.tags[row, i]
        expected = crf.span_log_probability(case.emissions[row], case.chain, case.lengths[row], allowed)
        log_p = np.log(shares[row, first, case.tags[row, first]]) + steps[row, first + 1 : last + 1].sum()
        np.testing.assert_allclose(log_p, expected, 1e-5, 1e-5)


def test_long_sentences_are_accurate():
    # The words are independent, so every step is known. A float32 sum of 1e5 has two decimal places.
    random = np.random.default_rng(0)
    n, t = 5000, 6
    emissions = (30.0 + random.normal(size=(n, t))).astype(np.float32)
    chain = crf.Chain(np.zeros((t, t), np.float32), np.zeros(t, np.float32), np.zeros(t, np.float32))
    tags = random.integers(0, t, n, np.int32)
    exact = emissions.astype(np.float64)
    expected = exact[np.arange(n), tags] - np.log(np.sum(np.exp(exact - 30), 1)) - 30
    steps = np.asarray(along(emissions, tags, chain, np.int32(n)))
    np.testing.assert_allclose(steps, expected, 1e-5, 1e-5)
