"""Sums over tag sequences against the enumeration of every path."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilations import recorded_compilations
from crf_cases import SHAPES, WIDE, Case, random_case
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import crf_log_partition, crf_marginals, crf_score, finite_differences

from mlmt_jax import crf
from mlmt_jax.crf import Chain

SEEDS = st.integers(0, 2**32 - 1)
# Of the paths of a 4-word sentence, most are forbidden at the upper end, in many sentences all.
SHARES = st.sampled_from([0.0, 0.2, 0.5])


@jax.jit
def every_function(emissions, tags, chain, lengths) -> dict[str, jax.Array]:
    decoded, best = crf.viterbi(emissions, chain, lengths)
    return {
        "log_partition": crf.log_partition(emissions, chain, lengths),
        "score": crf.score(emissions, tags, chain, lengths),
        "log_likelihood": crf.log_likelihood(emissions, tags, chain, lengths),
        "marginals": crf.marginals(emissions, chain, lengths),
        "viterbi's tags": decoded,
        "viterbi's score": best,
    }


def total_log_likelihood(emissions, tags, chain, lengths):
    return jnp.sum(crf.log_likelihood(emissions, tags, chain, lengths))


def total_log_partition(emissions, tags, chain, lengths):
    return jnp.sum(crf.log_partition(emissions, chain, lengths))


# By emissions and by chain.
likelihood_gradients = jax.jit(jax.grad(total_log_likelihood, (0, 2)))
partition_gradients = jax.jit(jax.grad(total_log_partition, (0, 2)))


def check_against_enumeration(case: Case):
    log_z = [crf_log_partition(e, *case.chain) for e, _ in case.sentences()]
    gold = [crf_score(e, y, *case.chain) for e, y in case.sentences()]
    likelihood = [-np.inf if np.isneginf(s) else s - z for s, z in zip(gold, log_z, strict=True)]
    shares = np.zeros(case.emissions.shape)
    for i, (e, _) in enumerate(case.sentences()):
        shares[i, : len(e)] = crf_marginals(e, *case.chain)
    found = every_function(*case)
    np.testing.assert_allclose(found["log_partition"], log_z, 1e-5, 1e-5)
    np.testing.assert_allclose(found["score"], gold, 1e-5, 1e-5)
    np.testing.assert_allclose(found["log_likelihood"], likelihood, 1e-5, 1e-5)
    np.testing.assert_allclose(found["marginals"], shares, 0, 1e-5)


@pytest.mark.parametrize(("n", "t"), [*SHAPES, *WIDE])
def test_sums_are_those_over_every_path(n, t):
    check_against_enumeration(random_case(n + 10 * t, n, t))


@given(SEEDS, SHARES, st.sampled_from([0.1, 1.0, 10.0]))
@settings(max_examples=40, deadline=None)
def test_sums_are_those_over_every_path_that_is_allowed(seed, forbidden, scale):
    check_against_enumeration(random_case(seed, 4, 3, forbidden=forbidden, scale=scale))


@pytest.mark.parametrize("lead", [(), (3,), (2, 3), (0,)])
def test_leading_axes_are_those_of_separate_sentences(lead):
    random = np.random.default_rng(3)
    n, t = 4, 3
    emissions = random.normal(size=(*lead, n, t)).astype(np.float32)
    tags, lengths = random.integers(0, t, (*lead, n)), random.integers(0, n + 1, lead)
    chain = random_case(0, n, t).chain
    axes = {"marginals": (n, t), "viterbi's tags": (n,)}
    alone = {
        place: every_function(emissions[place], tags[place], chain, lengths[place])
        for place in np.ndindex(lead)
    }
    for name, found in every_function(emissions, tags, chain, lengths).items():
        assert found.shape == (*lead, *axes.get(name, ())), name
        for place, expected in alone.items():
            np.testing.assert_allclose(np.asarray(found)[place], expected[name], 1e-5, 1e-6, err_msg=name)


@pytest.mark.parametrize("t", [1, 2, 7])
def test_without_potentials_all_paths_count_alike(t):
    lengths = np.arange(9)
    chain = Chain(np.zeros((t, t)), np.zeros(t), np.zeros(t))
    log_z = crf.log_partition(np.zeros((9, 8, t), np.float32), chain, lengths)
    np.testing.assert_allclose(log_z, lengths * np.log(t), 1e-6, 1e-6)


@given(SEEDS, SHARES)
@settings(max_examples=20, deadline=None)
def test_the_gradient_of_log_z_is_the_marginals_and_the_expected_transitions(seed, forbidden):
    case = random_case(seed, 4, 3, forbidden=forbidden)
    found = every_function(*case)
    by_emissions, by_chain = partition_gradients(*case)
    np.testing.assert_allclose(by_emissions, found["marginals"], 1e-5, 1e-6)
    # Each sentence that has a path starts once, ends once and moves between its words.
    words = case.lengths[np.isfinite(found["log_partition"]) & (case.lengths > 0)]
    for scores, times in zip(by_chain, (np.sum(words - 1), len(words), len(words)), strict=True):
        np.testing.assert_allclose(np.sum(np.asarray(scores)), times, 1e-5, 1e-5)


@pytest.mark.parametrize(("seed", "forbidden"), [(6, 0.0), (41, 0.15)])
def test_gradients_are_the_finite_differences_of_the_enumeration(seed, forbidden):
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
    for found, slope in zip([by_emissions, *by_chain], slopes, strict=True):
        assert np.any(slope)
        np.testing.assert_allclose(found, slope, 1e-4, 1e-4)


@pytest.mark.parametrize("rubbish", [np.nan, np.inf, -np.inf, 1e30])
def test_what_stands_behind_a_sentence_never_matters(rubbish):
    case = random_case(8, 6, 5)
    emissions, tags = case.emissions.copy(), case.tags.copy()
    for i, length in enumerate(case.lengths):
        emissions[i, length:] = rubbish
        tags[i, length:] = -1 if np.isnan(rubbish) else 99
    padded = case._replace(emissions=emissions, tags=tags)
    for function in (every_function, likelihood_gradients, partition_gradients):
        jax.tree.map(np.testing.assert_array_equal, function(*padded), function(*case))


NO_PATH = {
    "no start": lambda e, chain: (e, chain._replace(start=np.full(3, -np.inf, np.float32))),
    "no end": lambda e, chain: (e, chain._replace(end=np.full(3, -np.inf, np.float32))),
    "no transition": lambda e, chain: (e, chain._replace(transitions=np.full((3, 3), -np.inf, np.float32))),
    "no tag for the second word": lambda e, chain: (
        np.where(np.arange(4)[:, None] == 1, -np.inf, e).astype(np.float32),
        chain,
    ),
}


@pytest.mark.parametrize("why", NO_PATH)
def test_a_sentence_without_a_path_has_probability_zero_and_a_gradient_of_zero(why):
    case = random_case(4, 4, 3)
    emissions, chain = NO_PATH[why](case.emissions, case.chain)
    lengths = np.array([4, 2, 3, 0, 0], np.int32)
    found = every_function(emissions, case.tags, chain, lengths)
    np.testing.assert_array_equal(found["log_partition"], [-np.inf, -np.inf, -np.inf, 0, 0])
    np.testing.assert_array_equal(found["log_likelihood"], [-np.inf, -np.inf, -np.inf, 0, 0])
    np.testing.assert_array_equal(found["marginals"], np.zeros((5, 4, 3)))
    for gradients in (likelihood_gradients, partition_gradients):
        for slopes in jax.tree.leaves(gradients(emissions, case.tags, chain, lengths)):
            np.testing.assert_array_equal(slopes, np.zeros(slopes.shape))


def test_a_nan_within_a_sentence_is_not_taken_for_a_forbidden_tag():
    case = random_case(1, 3, 5)
    emissions = case.emissions.copy()
    emissions[0, 1, 0] = np.nan
    log_z = np.asarray(crf.log_partition(emissions, case.chain, np.array([3, 3, 0, 0, 0])))
    assert np.isnan(log_z[0])
    assert np.isfinite(log_z[1])


def test_a_long_sentence_of_large_scores_stays_exact():
    n, t = 5000, 4
    random = np.random.default_rng(0)
    emissions = (100 * random.normal(size=(n, t))).astype(np.float32)
    chain = Chain(*((100 * random.normal(size=shape)).astype(np.float32) for shape in ((t, t), t, t)))
    alpha = np.asarray(chain.start, np.float64) + emissions[0]
    for now in emissions[1:]:
        alpha = np.logaddexp.reduce(alpha[:, None] + chain.transitions, 0) + now
    log_z = np.logaddexp.reduce(alpha + chain.end)
    np.testing.assert_allclose(crf.log_partition(emissions, chain, n), log_z, 1e-4)
    shares = np.asarray(crf.marginals(emissions, chain, n))
    np.testing.assert_allclose(np.sum(shares, 1), 1.0, 0, 1e-2)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_sums_of_short_floats_are_taken_in_single_precision(dtype):
    case = random_case(2, 3, 5)
    emissions = jnp.asarray(case.emissions, dtype)
    found = crf.log_likelihood(emissions, case.tags, case.chain, case.lengths)
    exact = crf.log_likelihood(emissions.astype(jnp.float32), case.tags, case.chain, case.lengths)
    assert found.dtype == crf.marginals(emissions, case.chain, case.lengths).dtype == jnp.float32
    np.testing.assert_array_equal(found, exact)


def test_scores_of_unequal_precision_meet_in_the_larger():
    case = random_case(2, 3, 5)
    with jax.enable_x64(True):
        chain = Chain(*(np.asarray(scores, np.float64) for scores in case.chain))
        log_z = crf.log_partition(case.emissions, chain, case.lengths)
        assert log_z.dtype == jnp.float64
        expected = [crf_log_partition(e, *chain) for e, _ in case.sentences()]
        np.testing.assert_allclose(log_z, expected, 1e-12)


E2, T2 = np.zeros((2, 4, 3), np.float32), np.zeros((2, 4), np.int32)
CHAIN, LENGTHS = Chain(np.zeros((3, 3)), np.zeros(3), np.zeros(3)), np.array([4, 2])
REFUSED = {
    "no tags axis": (E2[0, 0], T2, CHAIN, LENGTHS, ValueError, "emissions have shape"),
    "no words": (E2[:, :0], T2[:, :0], CHAIN, LENGTHS, ValueError, "n and t at least 1"),
    "integer emissions": (E2.astype(int), T2, CHAIN, LENGTHS, TypeError, "emissions are int"),
    "lengths of another batch": (E2, T2, CHAIN, LENGTHS[:1], ValueError, r"lengths have shape \(1,\)"),
    "one length": (E2, T2, CHAIN, 4, ValueError, r"lengths have shape \(\)"),
    "fractional lengths": (E2, T2, CHAIN, LENGTHS * 1.0, TypeError, "lengths are float"),
    "tags of one sentence": (E2, T2[0], CHAIN, LENGTHS, ValueError, r"tags have shape \(4,\)"),
    "one-hot tags": (E2, E2.astype(int), CHAIN, LENGTHS, ValueError, r"tags have shape \(2, 4, 3\)"),
    "fractional tags": (E2, T2 * 1.0, CHAIN, LENGTHS, TypeError, "tags are float"),
    "transitions of another size": (
        E2,
        T2,
        CHAIN._replace(transitions=np.zeros((3, 4))),
        LENGTHS,
        ValueError,
        r"chain.transitions has shape \(3, 4\), expected \(3, 3\) for 3 tags",
    ),
    "start of another size": (
        E2,
        T2,
        CHAIN._replace(start=np.zeros(2)),
        LENGTHS,
        ValueError,
        "chain.start has shape",
    ),
    "end per sentence": (
        E2,
        T2,
        CHAIN._replace(end=np.zeros((2, 3))),
        LENGTHS,
        ValueError,
        "chain.end has shape",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_does_not_fit_is_refused(why):
    emissions, tags, chain, lengths, error, message = REFUSED[why]
    with pytest.raises(error, match=message):
        crf.log_likelihood(emissions, tags, chain, lengths)


def test_the_second_call_compiles_nothing():
    first, second = random_case(0, 5, 2), random_case(1, 5, 2)

    def call(case: Case):
        crf.log_likelihood(case.emissions, case.tags, case.chain, case.lengths)
        crf.marginals(case.emissions, case.chain, case.lengths)
        crf.viterbi(case.emissions, case.chain, case.lengths)

    with recorded_compilations() as programs:
        call(first)
    assert programs
    with recorded_compilations() as programs:
        call(second)
    assert programs == []
