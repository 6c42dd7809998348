"""Viterbi against the enumeration of every path."""

import jax
import numpy as np
import pytest
from crf_cases import SHAPES, WIDE, Case, random_case
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import path_scores

from mlmt_jax import crf
from mlmt_jax.crf import Chain

SEEDS = st.integers(0, 2**32 - 1)


def check_against_enumeration(case: Case):
    tags, scores = crf.viterbi(case.emissions, case.chain, case.lengths)
    tags, scores = np.asarray(tags), np.asarray(scores)
    assert tags.dtype == np.int32
    for i, (emissions, _) in enumerate(case.sentences()):
        n = len(emissions)
        np.testing.assert_array_equal(tags[i, n:], 0)
        if not n:
            assert scores[i] == 0
            continue
        paths, every = path_scores(emissions, *case.chain)
        np.testing.assert_allclose(scores[i], np.max(every), 1e-5, 1e-5)
        if np.isfinite(np.max(every)):
            path_score = every[np.all(paths == tags[i, :n], 1)].item()
            np.testing.assert_allclose(path_score, np.max(every), 1e-5, 1e-5)


@pytest.mark.parametrize(("n", "t"), [*SHAPES, *WIDE])
def test_best_path_is_the_best_of_the_enumeration(n, t):
    check_against_enumeration(random_case(n + 10 * t, n, t))


@given(SEEDS, st.sampled_from([0.0, 0.2, 0.5]))
@settings(max_examples=40)
def test_best_path_is_the_best_of_the_allowed_ones(seed, forbidden):
    check_against_enumeration(random_case(seed, 4, 3, forbidden=forbidden))


@given(SEEDS)
@settings(max_examples=40)
def test_lowest_tags_from_the_end_win_between_equal_paths(seed):
    random = np.random.default_rng(seed)
    small = lambda *shape: random.integers(-1, 2, shape).astype(np.float32)  # sums are exact
    emissions, chain = small(4, 3), Chain(small(3, 3), small(3), small(3))
    paths, scores = path_scores(emissions, *chain)
    best = min(tuple(reversed(path)) for path in paths[scores == np.max(scores)].tolist())
    tags, score = map(np.asarray, crf.viterbi(emissions, chain, 4))
    assert tuple(reversed(tags.tolist())) == best
    assert score == np.max(scores)


@pytest.mark.parametrize("t", [3, 70])
def test_first_tags_win_if_all_paths_are_equal(t):
    zeros = lambda *shape: np.zeros(shape, np.float32)
    tags, _ = crf.viterbi(zeros(4, t), Chain(zeros(t, t), zeros(t), zeros(t)), 4)
    assert not np.any(tags)


@jax.jit
def best_scores(emissions, tags, chain, lengths):
    tags, best = crf.viterbi(emissions, chain, lengths)
    return best, crf.score(emissions, tags, chain, lengths), crf.log_partition(emissions, chain, lengths)


@given(SEEDS, st.sampled_from([0.0, 0.3]), st.sampled_from([0.1, 1.0, 10.0]))
@settings(max_examples=20)
def test_best_score_is_the_score_of_the_path_and_at_most_log_z(seed, forbidden, scale):
    case = random_case(seed, 4, 3, forbidden=forbidden, scale=scale)
    best, path_scores_, log_z = map(np.asarray, best_scores(*case))
    possible = np.isfinite(log_z)
    np.testing.assert_array_equal(np.isfinite(best), possible)
    np.testing.assert_allclose(path_scores_[possible], best[possible], 1e-5, 1e-5)
    assert np.all(best[possible] <= log_z[possible] + 1e-5 * (1 + np.abs(log_z[possible])))


def test_sentence_without_an_allowed_path_has_score_minus_infinity():
    case = random_case(4, 4, 3)
    chain = case.chain._replace(end=np.full(3, -np.inf, np.float32))
    tags, scores = map(np.asarray, crf.viterbi(case.emissions, chain, np.array([4, 1, 3, 0, 2])))
    np.testing.assert_array_equal(scores, [-np.inf, -np.inf, -np.inf, 0, -np.inf])
    assert np.all((tags >= 0) & (tags < 3))
