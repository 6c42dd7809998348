"""The scaled recursions against the log-space ones and the enumeration, and their reports of inexactness."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crf_cases import random_case
from oracles import crf_expected_transitions, crf_forward_backward, crf_log_partition, crf_marginals

from mlmt_jax import crf
from mlmt_jax.crf import expectations, logspace, scaled

_posterior = jax.jit(partial(scaled.posterior, transitions=True))
_log_partition = jax.jit(scaled.log_partition)


@pytest.mark.parametrize("forbidden", [0.0, 0.3])
@pytest.mark.parametrize("transitions", [True, False])
def test_scaled_and_logspace_give_the_same_posterior(forbidden, transitions):
    case = random_case(8, 6, 5, forbidden=forbidden, scale=2.0)
    arguments = [jax.tree.map(jnp.asarray, x) for x in (case.emissions, case.chain, case.lengths)]
    fast, exact = jax.jit(partial(scaled.posterior, transitions=transitions))(*arguments)
    reference = jax.jit(partial(logspace.posterior, transitions=transitions))(*arguments)
    assert exact
    for actual, expected in zip(fast[:2], reference[:2], strict=True):
        np.testing.assert_allclose(actual, expected, 1e-5, 1e-5)
    scores = jnp.asarray(np.random.default_rng(2).normal(size=(5, 5)), jnp.float32)
    np.testing.assert_allclose(fast.transitions.dot(scores), reference.transitions.dot(scores), 1e-5, 1e-5)
    value, exact = _log_partition(*arguments)
    assert exact
    np.testing.assert_allclose(value, reference.log_partition, 1e-5, 1e-5)


@pytest.mark.parametrize("where", ["emissions", "transitions", "start", "end", "messages"])
def test_scaled_reports_when_it_is_inexact(where):
    case = random_case(9, 6, 3)
    emissions, chain, lengths = case.emissions.copy(), case.chain, np.full_like(case.lengths, 6)
    if where == "emissions":
        emissions[0, 2, 1] -= 300
    elif where == "messages":  # each score is small, their sum is large
        emissions[:, :, 0] += 20
        chain = chain._replace(transitions=np.where(np.eye(3) > 0, 0, -np.inf).astype(np.float32))
    else:
        scores = getattr(chain, where).copy()
        scores.flat[0] -= 300
        chain = chain._replace(**{where: scores})
    arguments = [jax.tree.map(jnp.asarray, x) for x in (emissions, chain, lengths)]
    assert not _log_partition(*arguments)[1]
    # The backward recursion shows that a tag or path of probability e^-100 or less does not matter.
    assert _posterior(*arguments)[1] == (where in ("emissions", "messages"))
    for i in range(len(lengths)):
        log_z = crf_log_partition(emissions[i], *chain)
        np.testing.assert_allclose(crf.log_partition(emissions[i], chain, 6), log_z, 1e-5)
        np.testing.assert_allclose(
            crf.marginals(emissions[i], chain, 6), crf_marginals(emissions[i], *chain), 1e-4, 1e-5
        )


@pytest.mark.parametrize("scale", [5.0, 20.0, 60.0])
@pytest.mark.parametrize("forbidden", [0.0, 0.3])
def test_scaled_is_right_if_it_reports_to_be_exact(scale, forbidden):
    # At the larger scales, most numbers are outside of their share of the float range.
    exact_sentences = 0
    for seed in range(20):
        case = random_case(seed, 6, 4, forbidden=forbidden)
        emissions = case.emissions * np.float32(scale)
        arguments = [jax.tree.map(jnp.asarray, x) for x in (emissions, case.chain, case.lengths)]
        posterior, exact = _posterior(*arguments)
        scores = np.random.default_rng(seed).normal(size=(4, 4))
        expected = posterior.transitions.dot(jnp.asarray(scores, jnp.float32))
        for i, length in enumerate(case.lengths if exact else []):
            exact_sentences += 1
            words = emissions[i, :length]
            np.testing.assert_allclose(
                posterior.log_partition[i], crf_log_partition(words, *case.chain), 1e-6, 1e-4
            )
            np.testing.assert_allclose(
                posterior.marginals[:length, :, i], crf_marginals(words, *case.chain), 1e-5, 1e-5
            )
            transitions = crf_expected_transitions(words, *case.chain)
            np.testing.assert_allclose(expected[i], np.sum(transitions * scores), 1e-4, 1e-4)
    assert exact_sentences > 0


@pytest.mark.parametrize("gain", [12.0, 17.0, 40.0])
def test_raised_number_that_affects_the_result_is_reported(gain):
    # Tag 1 is far below tag 0 after three words. Only the last two words favour it, each by ``gain``.
    emissions = np.zeros((1, 5, 2), np.float32)
    emissions[0, :3, 0], emissions[0, 3:, 1] = 20.0, gain
    stay = np.array([[0.0, -15.0], [-15.0, 0.0]], np.float32)
    chain = crf.Chain(stay, np.zeros(2, np.float32), np.array([-np.inf, 0.0], np.float32))
    arguments = jnp.asarray(emissions), jax.tree.map(jnp.asarray, chain), jnp.array([5])
    posterior, exact = _posterior(*arguments)
    log_z = crf_log_partition(emissions[0], *chain)
    if exact:
        np.testing.assert_allclose(posterior.log_partition[0], log_z, 1e-6)
    np.testing.assert_allclose(crf.log_partition(*arguments), [log_z], 1e-6)
    np.testing.assert_allclose(crf.marginals(*arguments)[0], crf_marginals(emissions[0], *chain), 1e-5, 1e-6)


def test_many_raised_numbers_of_little_effect_do_not_add_up():
    # Tag 0 reaches tag 1 only through one of the other tags, all of which are raised by far.
    n, t = 1000, 40
    limit = (t * float(np.finfo(np.float32).tiny)) ** 0.4
    reports = []
    for share in (1e-13, 3e-11, 5e-10):  # of all paths, through one tag at one word
        cost = 0.5 * np.log(share / limit)
        transitions = np.full((t, t), -np.inf, np.float32)
        transitions[[0, 1], [0, 1]] = -cost
        transitions[0, 2:] = transitions[2:, 1] = 0
        start = np.where(np.arange(t) == 0, 0, -np.inf).astype(np.float32)
        emissions = np.where(np.arange(t) < 2, 0, np.full((n, t), -100)).astype(np.float32)
        chain = crf.Chain(transitions, start, np.zeros(t, np.float32))
        arguments = jnp.asarray(emissions[None]), jax.tree.map(jnp.asarray, chain), jnp.array([n])
        posterior, exact = _posterior(*arguments)
        reports.append(bool(exact))
        if exact:
            shares = crf_forward_backward(emissions, *chain)[1]
            np.testing.assert_allclose(posterior.marginals[..., 0], shares, 0, 2e-6)
    assert reports[0]
    assert not reports[-1]


def test_path_that_underflows_is_exact_if_it_is_the_only_one():
    # The tag that is better by 200 nats a word comes to a dead end. The other path is far below any float32.
    emissions = np.zeros((5, 2), np.float32)
    emissions[:4, 0] = 200
    emissions[4, 0] = -np.inf
    free = np.array([[0, -np.inf], [-np.inf, 0]], np.float32)
    chain = crf.Chain(free, np.zeros(2, np.float32), np.zeros(2, np.float32))
    assert crf.log_partition(emissions, chain, 5) == 0.0
    gradient = jax.grad(lambda e: crf.log_partition(e, chain, 5))(emissions)
    np.testing.assert_allclose(gradient, np.array([[0.0, 1.0]] * 5))


@pytest.mark.parametrize("t", [4, 8, 20, 40])
@pytest.mark.parametrize("scores", [(16.4, 16.4, 18.4, 34.8), (0.0, 16.3, 34.5, 34.5)])
def test_products_of_numbers_just_within_their_shares_do_not_underflow(t, scores):
    # The only path goes through tags 2, 0 and 1, while the sum over all other paths reaches t.
    into, out_of, first, last = scores
    transitions = np.zeros((t, t), np.float32)
    transitions[:, :2] = -np.inf
    transitions[2, 0], transitions[0, 1] = -into, -out_of
    end = np.full(t, -np.inf, np.float32)
    end[1] = 0
    emissions = np.zeros((1, 3, t), np.float32)
    emissions[0, 1, 0], emissions[0, 2, 1] = -first, -last
    chain = crf.Chain(transitions, np.zeros(t, np.float32), end)
    log_z = -sum(scores)
    np.testing.assert_allclose(crf.log_partition(emissions, chain, np.array([3])), [log_z], 1e-5)
    tags = np.array([[2, 0, 1]], np.int32)
    np.testing.assert_allclose(crf.log_likelihood(emissions, tags, chain, np.array([3])), [0.0], 0, 1e-4)
    np.testing.assert_allclose(crf.marginals(emissions, chain, np.array([3])).sum(-1), np.ones((1, 3)), 1e-5)


def test_messages_that_several_words_push_below_their_share_are_reported():
    """Check a sentence in which no emission is too small and the path of small emissions is the only one."""
    emissions = np.zeros((10, 2), np.float32)
    emissions[:2, 0], emissions[2:, 0] = -20, 10
    chain = crf.Chain(np.array([[0, 0], [-np.inf, 0]], np.float32), *np.zeros((2, 2), np.float32))
    log_z = crf_log_partition(emissions, *chain)
    value, _ = jax.value_and_grad(lambda scores: crf.log_partition(scores, chain, 10))(jnp.asarray(emissions))
    np.testing.assert_allclose(value, log_z, 1e-5)
    assert not _posterior(jnp.asarray(emissions)[None], chain, jnp.array([10]))[1]


def test_infinite_emissions_are_reported():
    chain = jax.tree.map(jnp.asarray, crf.Chain(np.zeros((2, 2)), np.zeros(2), np.zeros(2)))
    chain = jax.tree.map(lambda scores: scores.astype(jnp.float32), chain)
    for emissions in ([[np.inf, 0.0]], [[0.0, 1.0], [np.inf, np.inf]]):
        arguments = jnp.asarray([emissions], jnp.float32), chain, jnp.asarray([len(emissions)])
        assert not _log_partition(*arguments)[1]
        assert not _posterior(*arguments)[1]


@pytest.mark.parametrize("limit", ["_MOST_COPIED", "_MANY_SENTENCES"])
def test_expected_transitions_do_not_depend_on_how_they_are_multiplied(monkeypatch, limit):
    case = random_case(14, 6, 4)
    arguments = [jax.tree.map(jnp.asarray, x) for x in (case.emissions, case.chain, case.lengths)]
    transitions = _posterior(*arguments)[0].transitions
    random = np.random.default_rng(3)
    scores = jnp.asarray(random.normal(size=(4, 4)), jnp.float32)
    weights = jnp.asarray(random.normal(size=len(case.lengths)), jnp.float32)
    few, pull = jax.vjp(transitions.dot, scores)
    monkeypatch.setattr(expectations, limit, 0)
    many, pull_many = jax.vjp(transitions.dot, scores)
    np.testing.assert_allclose(many, few, 1e-5, 1e-6)
    np.testing.assert_allclose(pull_many(weights)[0], pull(weights)[0], 1e-5, 1e-6)


def test_second_derivatives_equal_finite_differences_of_the_first():
    case = random_case(12, 3, 2)
    with jax.enable_x64(True):
        chain = crf.Chain(*(jnp.asarray(scores, jnp.float64) for scores in case.chain))
        emissions = jnp.asarray(case.emissions[0], jnp.float64)
        value = lambda e: crf.log_partition(e, chain, 3)
        hessian = np.asarray(jax.jit(jax.hessian(value))(emissions)).reshape(6, 6)
        steps = 1e-5 * np.eye(6).reshape(6, 3, 2)
        slope = jax.jit(jax.grad(value))
        slopes = [(slope(emissions + s) - slope(emissions - s)).reshape(6) / 2e-5 for s in steps]
    np.testing.assert_allclose(hessian, np.stack(slopes), 1e-5, 1e-8)


@pytest.mark.parametrize("words", [1, 6])
def test_recursion_of_other_devices_gives_the_same_results(words, monkeypatch):
    case = random_case(10, words, 4, forbidden=0.2)
    lengths = np.minimum(case.lengths, words)

    def results():
        value = lambda emissions, chain: jnp.sum(jnp.nan_to_num(crf.log_partition(emissions, chain, lengths)))
        jax.clear_caches()
        log_z = jax.value_and_grad(value, (0, 1))(jnp.asarray(case.emissions), case.chain)
        return jax.tree.leaves((log_z, crf.marginals(case.emissions, case.chain, lengths)))

    on_cpu = results()
    used = []

    def on_other_device(*args, default, **_):
        used.append(default)
        return default(*args)

    monkeypatch.setattr(jax.lax, "platform_dependent", on_other_device)
    for actual, expected in zip(results(), on_cpu, strict=True):
        np.testing.assert_allclose(actual, expected, 1e-5, 1e-5)
    assert used
    jax.clear_caches()
