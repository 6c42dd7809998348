"""The k best tag sequences against the sorted enumeration."""

import heapq

import jax
import numpy as np
import pytest
from crf_cases import SHAPES, random_case
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import path_scores

from mlmt_jax import crf

k_best = jax.jit(crf.k_best, static_argnums=3)


def check(case, k: int, round_to: float | None = None) -> None:
    tags, scores = map(np.asarray, k_best(case.emissions, case.chain, case.lengths, k))
    assert tags.shape == (len(case.lengths), k, case.emissions.shape[1])
    for i, (emissions, _) in enumerate(case.sentences()):
        assert not tags[i, :, len(emissions) :].any()
        if not len(emissions):
            assert scores[i].tolist() == [0.0, *[-np.inf] * (k - 1)]
            continue
        paths, all_scores = path_scores(emissions, *case.chain)
        best = np.sort(all_scores[np.isfinite(all_scores)])[::-1][:k]
        expected = np.concatenate([best, np.full(k - len(best), -np.inf)])
        np.testing.assert_allclose(scores[i], expected, 1e-5, 1e-5)
        decoded = [tuple(path) for path in tags[i, : len(best), : len(emissions)]]
        assert len(set(decoded)) == len(decoded)
        score_by_path = {tuple(path): score for path, score in zip(paths, all_scores, strict=True)}
        np.testing.assert_allclose([score_by_path[path] for path in decoded], best, 1e-5, 1e-5)


@pytest.mark.parametrize(("n", "t"), SHAPES)
@pytest.mark.parametrize("k", [1, 3, 20])
@given(seed=st.integers(0, 2**32 - 1), forbidden=st.sampled_from([0.0, 0.2, 0.5]))
@settings(max_examples=6)
def test_k_best_equal_the_sorted_enumeration(n, t, k, seed, forbidden):
    check(random_case(seed, n, t, forbidden=forbidden, scale=2.0), k)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_all_paths_of_equal_scores_are_found(seed):
    case = random_case(seed, 4, 3)
    whole = lambda scores: np.round(scores)  # most paths have equal scores
    check(case._replace(emissions=whole(case.emissions), chain=crf.Chain(*map(whole, case.chain))), 12)


@pytest.mark.parametrize("seed", [0, 4, 5])
def test_rounding_in_long_sentences_loses_no_path(seed):
    """Check totals of about ten thousand, whose differences are too small for float32."""
    random, k = np.random.default_rng(seed), 20
    emissions = (3 * random.normal(size=(1500, 5)) + 8).astype(np.float32)
    chain = crf.Chain(*(random.normal(size=shape).astype(np.float32) for shape in ((5, 5), (5,), (5,))))
    tags, scores = k_best(emissions, chain, 1500, k)
    moves = chain.transitions.astype(np.float64)
    best = [[(score, (tag,))] for tag, score in enumerate((chain.start + emissions[0]).tolist())]
    for word in emissions[1:].astype(np.float64):
        best = [
            heapq.nlargest(
                k, ((s + moves[a, b] + word[b], (*path, b)) for a in range(5) for s, path in best[a])
            )
            for b in range(5)
        ]
    ranked = heapq.nlargest(
        k,
        ((s + float(end), path) for end, ranking in zip(chain.end, best, strict=True) for s, path in ranking),
    )
    assert [tuple(path) for path in np.asarray(tags).tolist()] == [path for _, path in ranked]
    np.testing.assert_allclose(scores, [score for score, _ in ranked], 1e-6)


def test_first_of_k_best_is_the_viterbi_path():
    case = random_case(4, 6, 5)
    tags, scores = k_best(case.emissions, case.chain, case.lengths, 2)
    best, score = crf.viterbi(case.emissions, case.chain, case.lengths)
    np.testing.assert_array_equal(tags[:, 0], best)
    np.testing.assert_allclose(scores[:, 0], score, 1e-5)


def test_k_may_be_a_numpy_integer():
    case = random_case(4, 3, 5)
    actual, expected = (k_best(case.emissions, case.chain, case.lengths, k) for k in (np.int64(2), 2))
    np.testing.assert_array_equal(actual[0], expected[0])


@pytest.mark.parametrize(
    ("k", "error", "message"),
    [(0, ValueError, "k is 0, expected 1 or more"), (2.0, TypeError, "k is 2.0, expected an integer")],
)
def test_k_below_one_or_fractional_is_refused(k, error, message):
    case = random_case(4, 3, 5)
    with pytest.raises(error, match=message):
        crf.k_best(case.emissions, case.chain, case.lengths, k)
