"""The fast and the sure way of summing: one answer, the sure one where the fast one cannot be trusted."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crf_cases import random_case
from oracles import crf_expected_moves, crf_forward_backward, crf_log_partition, crf_marginals

from mlmt_jax import crf
from mlmt_jax.crf import logspace, messages, scaled

_posterior = jax.jit(partial(scaled.posterior, moves=True))
_log_partition = jax.jit(scaled.log_partition)


@pytest.mark.parametrize("forbidden", [0.0, 0.3])
@pytest.mark.parametrize("moves", [True, False])
def test_both_ways_give_one_posterior(forbidden, moves):
    case = random_case(8, 6, 5, forbidden=forbidden, scale=2.0)
    arguments = [jax.tree.map(jnp.asarray, x) for x in (case.emissions, case.chain, case.lengths)]
    fast, exact = jax.jit(partial(scaled.posterior, moves=moves))(*arguments)
    sure = jax.jit(partial(logspace.posterior, moves=moves))(*arguments)
    assert exact
    for got, want in zip(fast[:2], sure[:2], strict=True):
        np.testing.assert_allclose(got, want, 1e-5, 1e-5)
    scores = jnp.asarray(np.random.default_rng(2).normal(size=(5, 5)), jnp.float32)
    np.testing.assert_allclose(fast.moves.dot(scores), sure.moves.dot(scores), 1e-5, 1e-5)
    value, exact = _log_partition(*arguments)
    assert exact
    np.testing.assert_allclose(value, sure.log_partition, 1e-5, 1e-5)


@pytest.mark.parametrize("where", ["emissions", "transitions", "start", "end", "messages"])
def test_the_fast_way_says_when_it_cannot_be_trusted(where):
    case = random_case(9, 6, 3)
    emissions, chain, lengths = case.emissions.copy(), case.chain, np.full_like(case.lengths, 6)
    if where == "emissions":
        emissions[0, 2, 1] -= 300
    elif where == "messages":  # nothing is large by itself; what adds up is
        emissions[:, :, 0] += 20
        chain = chain._replace(transitions=np.where(np.eye(3) > 0, 0, -np.inf).astype(np.float32))
    else:
        scores = getattr(chain, where).copy()
        scores.flat[0] -= 300
        chain = chain._replace(**{where: scores})
    arguments = [jax.tree.map(jnp.asarray, x) for x in (emissions, chain, lengths)]
    assert not _log_partition(*arguments)[1]
    # Going backward shows that a tag or path of probability e^-100 and less does not matter.
    assert _posterior(*arguments)[1] == (where in ("emissions", "messages"))
    for i in range(len(lengths)):
        want = crf_log_partition(emissions[i], *chain)
        np.testing.assert_allclose(crf.log_partition(emissions[i], chain, 6), want, 1e-5)
        np.testing.assert_allclose(
            crf.marginals(emissions[i], chain, 6), crf_marginals(emissions[i], *chain), 1e-4, 1e-5
        )


@pytest.mark.parametrize("scale", [5.0, 20.0, 60.0])
@pytest.mark.parametrize("forbidden", [0.0, 0.3])
def test_what_the_fast_way_trusts_is_right(scale, forbidden):
    # Of the larger scales hardly a number keeps within its share.
    trusted = 0
    for seed in range(20):
        case = random_case(seed, 6, 4, forbidden=forbidden)
        emissions = case.emissions * np.float32(scale)
        arguments = [jax.tree.map(jnp.asarray, x) for x in (emissions, case.chain, case.lengths)]
        found, exact = _posterior(*arguments)
        scores = np.random.default_rng(seed).normal(size=(4, 4))
        expected = found.moves.dot(jnp.asarray(scores, jnp.float32))
        for i, length in enumerate(case.lengths if exact else []):
            trusted += 1
            words = emissions[i, :length]
            np.testing.assert_allclose(
                found.log_partition[i], crf_log_partition(words, *case.chain), 1e-6, 1e-4
            )
            np.testing.assert_allclose(
                found.marginals[:length, :, i], crf_marginals(words, *case.chain), 1e-5, 1e-5
            )
            moves = crf_expected_moves(words, *case.chain)
            np.testing.assert_allclose(expected[i], np.sum(moves * scores), 1e-4, 1e-4)
    assert trusted > 0


@pytest.mark.parametrize("back", [12.0, 17.0, 40.0])
def test_a_lifted_number_that_matters_in_the_end_is_not_trusted(back):
    # Tag 1 is far behind after three words, and has no other words to come back with than the last two.
    emissions = np.zeros((1, 5, 2), np.float32)
    emissions[0, :3, 0], emissions[0, 3:, 1] = 20.0, back
    stay = np.array([[0.0, -15.0], [-15.0, 0.0]], np.float32)
    chain = crf.Chain(stay, np.zeros(2, np.float32), np.array([-np.inf, 0.0], np.float32))
    arguments = jnp.asarray(emissions), jax.tree.map(jnp.asarray, chain), jnp.array([5])
    found, exact = _posterior(*arguments)
    want = crf_log_partition(emissions[0], *chain)
    if exact:
        np.testing.assert_allclose(found.log_partition[0], want, 1e-6)
    np.testing.assert_allclose(crf.log_partition(*arguments), [want], 1e-6)
    np.testing.assert_allclose(crf.marginals(*arguments)[0], crf_marginals(emissions[0], *chain), 1e-5, 1e-6)


def test_many_lifted_numbers_that_matter_little_do_not_add_up():
    # From tag 0 one cannot go to tag 1, for good, but by way of any other tag, each of them lifted by far.
    n, t = 1000, 40
    lifted = (t * float(np.finfo(np.float32).tiny)) ** 0.4
    trusted = []
    for share in (1e-13, 3e-11, 5e-10):  # of all paths, by way of one tag at one word
        behind = 0.5 * np.log(share / lifted)
        transitions = np.full((t, t), -np.inf, np.float32)
        transitions[[0, 1], [0, 1]] = -behind
        transitions[0, 2:] = transitions[2:, 1] = 0
        start = np.where(np.arange(t) == 0, 0, -np.inf).astype(np.float32)
        emissions = np.where(np.arange(t) < 2, 0, np.full((n, t), -100)).astype(np.float32)
        chain = crf.Chain(transitions, start, np.zeros(t, np.float32))
        arguments = jnp.asarray(emissions[None]), jax.tree.map(jnp.asarray, chain), jnp.array([n])
        found, exact = _posterior(*arguments)
        trusted.append(bool(exact))
        if exact:
            shares = crf_forward_backward(emissions, *chain)[1]
            np.testing.assert_allclose(found.marginals[..., 0], shares, 0, 2e-6)
    assert trusted[0]
    assert not trusted[-1]


def test_a_path_that_underflows_is_found_when_it_becomes_the_only_one():
    # The better tag by 200 nats a word comes to a dead end: what is left is far below any float32.
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
def test_products_of_what_is_just_within_its_share_do_not_underflow(t, scores):
    # The one path goes through tag 2, tag 0 and tag 1, while all others add up to a maximum of t.
    before, behind, first, last = scores
    transitions = np.zeros((t, t), np.float32)
    transitions[:, :2] = -np.inf
    transitions[2, 0], transitions[0, 1] = -before, -behind
    end = np.full(t, -np.inf, np.float32)
    end[1] = 0
    emissions = np.zeros((1, 3, t), np.float32)
    emissions[0, 1, 0], emissions[0, 2, 1] = -first, -last
    chain = crf.Chain(transitions, np.zeros(t, np.float32), end)
    want = -sum(scores)
    np.testing.assert_allclose(crf.log_partition(emissions, chain, np.array([3])), [want], 1e-5)
    tags = np.array([[2, 0, 1]], np.int32)
    np.testing.assert_allclose(crf.log_likelihood(emissions, tags, chain, np.array([3])), [0.0], 0, 1e-4)
    np.testing.assert_allclose(crf.marginals(emissions, chain, np.array([3])).sum(-1), np.ones((1, 3)), 1e-5)


def test_messages_that_several_words_together_push_below_their_share_are_not_trusted():
    """No emission is too small by itself; the path of those that are small is the only one in the end."""
    emissions = np.zeros((10, 2), np.float32)
    emissions[:2, 0], emissions[2:, 0] = -20, 10
    chain = crf.Chain(np.array([[0, 0], [-np.inf, 0]], np.float32), *np.zeros((2, 2), np.float32))
    want = crf_log_partition(emissions, *chain)
    value, _ = jax.value_and_grad(lambda scores: crf.log_partition(scores, chain, 10))(jnp.asarray(emissions))
    np.testing.assert_allclose(value, want, 1e-5)
    assert not _posterior(jnp.asarray(emissions)[None], chain, jnp.array([10]))[1]


def test_infinite_emissions_are_left_to_the_sure_way():
    chain = jax.tree.map(jnp.asarray, crf.Chain(np.zeros((2, 2)), np.zeros(2), np.zeros(2)))
    chain = jax.tree.map(lambda scores: scores.astype(jnp.float32), chain)
    for emissions in ([[np.inf, 0.0]], [[0.0, 1.0], [np.inf, np.inf]]):
        arguments = jnp.asarray([emissions], jnp.float32), chain, jnp.asarray([len(emissions)])
        assert not _log_partition(*arguments)[1]
        assert not _posterior(*arguments)[1]


@pytest.mark.parametrize("limit", ["_MOST_COPIED", "_MANY_SENTENCES"])
def test_moves_weigh_alike_however_many_words_and_sentences(monkeypatch, limit):
    case = random_case(14, 6, 4)
    arguments = [jax.tree.map(jnp.asarray, x) for x in (case.emissions, case.chain, case.lengths)]
    moves = _posterior(*arguments)[0].moves
    random = np.random.default_rng(3)
    scores = jnp.asarray(random.normal(size=(4, 4)), jnp.float32)
    weights = jnp.asarray(random.normal(size=len(case.lengths)), jnp.float32)
    few, pull = jax.vjp(moves.dot, scores)
    monkeypatch.setattr(messages, limit, 0)
    many, pull_many = jax.vjp(moves.dot, scores)
    np.testing.assert_allclose(many, few, 1e-5, 1e-6)
    np.testing.assert_allclose(pull_many(weights)[0], pull(weights)[0], 1e-5, 1e-6)


def test_second_derivatives_are_the_slopes_of_the_first():
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
def test_the_way_of_other_devices_gives_the_same(words, monkeypatch):
    case = random_case(10, words, 4, forbidden=0.2)
    lengths = np.minimum(case.lengths, words)

    def found():
        value = lambda emissions, chain: jnp.sum(jnp.nan_to_num(crf.log_partition(emissions, chain, lengths)))
        jax.clear_caches()
        own = jax.value_and_grad(value, (0, 1))(jnp.asarray(case.emissions), case.chain)
        return jax.tree.leaves((own, crf.marginals(case.emissions, case.chain, lengths)))

    on_cpu = found()
    used = []

    def elsewhere(*args, default, **_):
        used.append(default)
        return default(*args)

    monkeypatch.setattr(jax.lax, "platform_dependent", elsewhere)
    for got, want in zip(found(), on_cpu, strict=True):
        np.testing.assert_allclose(got, want, 1e-5, 1e-5)
    assert used
    jax.clear_caches()
