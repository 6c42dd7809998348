"""Contracts of every public function: leading axes, dtypes, transformations, padding."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilations import recorded_compilations
from crf_cases import DRAWS, FUNCTIONS, Inputs, K, random_inputs
from oracles import crf_enumeration, crf_marginals, crf_marginals_slope, crf_score

from mlmt_jax import crf
from mlmt_jax.crf import Chain

N, T = 4, 3


@jax.jit
def every_function(inputs: Inputs) -> dict[str, Any]:
    return {name: function(*inputs) for name, function in FUNCTIONS.items()}


SMOOTH = (
    "log_partition",
    "log_likelihood",
    "marginals",
    "entropy",
    "span_log_probability",
    "path_log_probabilities",
)


def total(name: str, *inputs) -> jax.Array:
    return jnp.sum(FUNCTIONS[name](*inputs))


@jax.jit
def every_gradient(inputs: Inputs) -> dict[str, Any]:
    """Compute gradients with respect to emissions and chain."""
    return {name: jax.grad(partial(total, name), (0, 3))(*inputs) for name in SMOOTH}


partition_gradient = jax.jit(lambda inputs: jax.grad(partial(total, "log_partition"), (0, 3))(*inputs))


def check_shapes(results: dict[str, Any], lead: tuple[int, ...], n: int, t: int) -> None:
    shapes = dict.fromkeys(FUNCTIONS, lead) | {
        "marginals": (*lead, n, t),
        "pair_marginals": (*lead, n - 1, t, t),
        "viterbi": ((*lead, n), lead),
        "k_best": ((*lead, K, n), (*lead, K)),
        "sample": (DRAWS, *lead, n),
        "path_log_probabilities": (*lead, n),
    }
    for name, value in results.items():
        assert jax.tree.map(np.shape, value) == shapes[name], name


def check(results: dict[str, Any], inputs: Inputs, relative: float, absolute: float) -> None:
    """Compare results of functions with the enumeration of each sentence."""
    lead, (n, t) = np.shape(inputs.lengths), inputs.emissions.shape[-2:]
    results = jax.tree.map(np.asarray, results)
    check_shapes(results, lead, n, t)
    results["sample"] = np.moveaxis(results["sample"], 0, -2)
    chain = [np.asarray(scores, np.float64) for scores in inputs.chain]
    for place in np.ndindex(lead):
        length = int(np.asarray(inputs.lengths)[place])
        emissions, tags, allowed = (np.asarray(x)[place][:length] for x in inputs[:3])
        expected = crf_enumeration(emissions, tags, allowed, chain, K)
        score = partial(_path_score, emissions, chain)
        for name, value in results.items():
            close = partial(np.testing.assert_allclose, rtol=relative, atol=absolute, err_msg=name)
            if name == "sample":
                drawn = [score(path) for path in value[place]]
                assert np.all(np.isfinite(drawn)) or np.isneginf(expected["log_partition"])
            elif name in ("viterbi", "k_best"):
                paths, scores = value[0][place].reshape(-1, n), value[1][place]
                close(scores, expected[name])
                real = paths[np.isfinite(scores.reshape(-1))]
                close([score(path) for path in real], scores[np.isfinite(scores)])
                assert len({tuple(path) for path in real}) == len(real)
            elif name != "path_log_probabilities" or np.isfinite(expected["score"]):
                padded = np.zeros(value[place].shape)  # 0 beyond the length
                padded[tuple(map(slice, expected[name].shape))] = expected[name]
                close(value[place], padded)


def _path_score(emissions: np.ndarray, chain: list[np.ndarray], path: np.ndarray) -> float:
    np.testing.assert_array_equal(path[len(emissions) :], 0)
    return crf_score(emissions, path[: len(emissions)], *chain)


def check_dtypes(results: dict[str, Any], floats: Any) -> None:
    for name, value in results.items():
        tags = {"viterbi": (jnp.int32, floats), "k_best": (jnp.int32, floats), "sample": jnp.int32}
        assert jax.tree.map(lambda x: x.dtype, value) == tags.get(name, floats), name


@pytest.mark.parametrize("lead", [(), (5,), (2, 3), (0,)])
def test_any_leading_axes_agree_with_the_enumeration(lead):
    inputs = random_inputs(sum(lead), N, T, lead=lead, forbidden=0.1)
    results = every_function(inputs)
    check(results, inputs, 1e-5, 1e-5)
    check_dtypes(results, jnp.float32)


@pytest.mark.parametrize("lead", [(1,), (1, 2, 1), (2, 0, 3)])
def test_results_have_the_leading_axes_of_the_emissions(lead):
    inputs = random_inputs(0, N, T, lead=lead)
    check_shapes(jax.eval_shape(every_function, inputs), lead, N, T)


@pytest.mark.parametrize("seed", range(4))
def test_bfloat16_is_summed_in_single_precision(seed):
    inputs = random_inputs(seed, N, T, forbidden=0.1 * (seed % 2), scale=3.0)
    short = lambda x: jnp.asarray(x, jnp.bfloat16)
    inputs = inputs._replace(emissions=short(inputs.emissions), chain=Chain(*map(short, inputs.chain)))
    results = every_function(inputs)
    check_dtypes(results, jnp.float32)
    check(results, inputs, 1e-5, 1e-5)


def double(inputs: Inputs) -> Inputs:
    exact = lambda x: np.asarray(x, np.float64)
    return inputs._replace(emissions=exact(inputs.emissions), chain=Chain(*map(exact, inputs.chain)))


@pytest.mark.parametrize("seed", range(4))
def test_double_precision_is_kept(seed):
    inputs = double(random_inputs(seed, N, T, forbidden=0.1 * (seed % 2), scale=3.0))
    with jax.enable_x64(True):
        results = every_function(inputs)
        check_dtypes(results, jnp.float64)
        check(results, inputs, 1e-12, 1e-12)


@pytest.mark.parametrize("exact", ["emissions", "chain"])
def test_higher_of_two_precisions_is_kept(exact):
    inputs = random_inputs(1, N, T)
    inputs = inputs._replace(**{exact: getattr(double(inputs), exact)})
    with jax.enable_x64(True):
        results = every_function(inputs)
        check_dtypes(results, jnp.float64)
        check(results, inputs, 1e-12, 1e-12)


@pytest.mark.parametrize("steps", [(0.0, -1e4), (0.0, 1e4), (-1e4, 0.0, 1e4)])
@pytest.mark.parametrize("precision", ["single", "double"])
def test_transitions_may_differ_by_ten_thousand_nats(steps, precision):
    for seed in range(5):
        random = np.random.default_rng(seed)
        inputs = random_inputs(seed, N, T, forbidden=0.1 * (seed % 2))
        transitions = random.choice(steps, (T, T)).astype(np.float32)
        inputs = inputs._replace(chain=inputs.chain._replace(transitions=transitions))
        if precision == "double":
            with jax.enable_x64(True):
                inputs = double(inputs)
                results, slopes = every_function(inputs), partition_gradient(inputs)
            tolerance = 1e-10
        else:
            results, slopes = every_function(inputs), partition_gradient(inputs)
            # Sums reach 3e4, where adjacent float32 numbers differ by 2e-3 nats.
            tolerance = 5e-3
        check(results, inputs, 1e-6, tolerance)
        for i, length in enumerate(inputs.lengths):
            shares = crf_marginals(inputs.emissions[i, :length], *inputs.chain)
            # Scores of -1e4 nats are 1e-3 apart in float32: so coarse is the difference of two such tags.
            np.testing.assert_allclose(results["marginals"][i, :length], shares, 0, min(tolerance, 1e-3))
        np.testing.assert_allclose(slopes[0], results["marginals"], 0, min(tolerance, 1e-3))
        moves = np.sum(np.asarray(results["pair_marginals"]), (0, 1))
        np.testing.assert_allclose(slopes[1].transitions, moves, 0, min(tolerance, 1e-3))


def test_vmap_of_vmap_over_chains_and_sentences_agrees_with_single_calls():
    inputs = random_inputs(7, N, T, lead=(3,), forbidden=0.1)
    chains = [Chain(*(np.float32(scale) * scores for scores in inputs.chain)) for scale in (1.0, 30.0)]
    stacked = inputs._replace(chain=jax.tree.map(lambda *scores: np.stack(scores), *chains))
    within, over = (0, 0, 0, None, 0), (None, None, None, 0, None)
    # The other functions use the same code as one of these.
    names = ("log_likelihood", "marginals", "viterbi", "k_best", "sample", "entropy")
    selected = lambda *inputs: {name: FUNCTIONS[name](*inputs) for name in names}
    results = jax.jit(jax.vmap(jax.vmap(selected, within), over))(*stacked)
    # Draws are the first axis of a call, and vmap put the sentences before it.
    results["sample"] = np.moveaxis(np.asarray(results["sample"]), 2, 1)
    for i, chain in enumerate(chains):
        check(jax.tree.map(lambda x, i=i: x[i], results), inputs._replace(chain=chain), 1e-5, 1e-5)


def test_gradients_under_vmap_of_vmap_agree_with_the_enumeration():
    inputs = random_inputs(3, N, T, lead=(3,))
    # The transitions of the second chain span more than ``scaled`` can hold.
    chains = [Chain(*(np.float32(scale) * scores for scores in inputs.chain)) for scale in (1.0, 10.0)]
    weights = np.random.default_rng(4).normal(size=(N, T)).astype(np.float32)

    def slopes(chain, emissions, tags, length):
        values = {
            "log_partition": lambda e, c: crf.log_partition(e, c, length),
            "log_likelihood": lambda e, c: crf.log_likelihood(e, tags, c, length),
            "marginals": lambda e, c: jnp.sum(weights * crf.marginals(e, c, length)),
            "viterbi": lambda e, c: crf.viterbi(e, c, length)[1],
            "k_best": lambda e, c: jnp.sum(crf.k_best(e, c, length, 2)[1]),
        }
        results = {name: jax.grad(value, (0, 1))(emissions, chain) for name, value in values.items()}
        return results, crf.k_best(emissions, chain, length, 2)[0]

    sentences = inputs.emissions, inputs.tags, np.maximum(inputs.lengths, 2)
    over_sentences = jax.vmap(slopes, (None, 0, 0, 0))
    over_both = jax.jit(jax.vmap(over_sentences, (0, None, None, None)))
    results, paths = over_both(jax.tree.map(lambda *scores: np.stack(scores), *chains), *sentences)
    one_hot = lambda tags: np.asarray(tags)[..., None] == np.arange(T)
    for place in np.ndindex(2, 3):
        chain, (emissions, tags, length) = chains[place[0]], (x[place[1]] for x in sentences)
        emissions, tags, best_two = emissions[:length], tags[:length], np.asarray(paths)[place][:, :length]
        every = crf_enumeration(emissions, tags, np.ones(emissions.shape, bool), chain, K)
        shares = every["marginals"]
        expected = {
            "log_partition": shares,
            "log_likelihood": one_hot(tags) - shares,
            "marginals": crf_marginals_slope(emissions, weights[:length], *chain),
            "viterbi": one_hot(best_two[0]),
            "k_best": one_hot(best_two).sum(0),
        }
        for name, slope in expected.items():
            by_emissions = results[name][0][place]
            np.testing.assert_allclose(by_emissions[:length], slope, 1e-5, 1e-5, err_msg=name)
            np.testing.assert_array_equal(by_emissions[length:], 0)
            by_chain = jax.tree.map(lambda x, place=place: x[place], results[name][1])
            np.testing.assert_allclose(by_chain.start, slope[0], 1e-5, 1e-5, err_msg=name)
            np.testing.assert_allclose(by_chain.end, slope[-1], 1e-5, 1e-5, err_msg=name)
        moves = every["pair_marginals"].sum(0)
        by_chain = results["log_partition"][1].transitions[place]
        np.testing.assert_allclose(by_chain, moves, 1e-5, 1e-5)


@pytest.mark.parametrize("padding", [np.nan, np.inf, -np.inf, 1e30])
def test_padding_never_affects_results_or_gradients(padding):
    inputs = random_inputs(8, N, T, forbidden=0.1)
    beyond = np.arange(N)[None] >= inputs.lengths[:, None]
    padded = inputs._replace(
        emissions=np.where(beyond[..., None], np.float32(padding), inputs.emissions),
        tags=np.where(beyond, -1 if np.isnan(padding) else 99, inputs.tags).astype(np.int32),
        allowed=np.where(beyond[..., None], bool(padding > 0), inputs.allowed),
    )
    for function in (every_function, every_gradient):
        jax.tree.map(np.testing.assert_array_equal, function(padded), function(inputs))
    for name, (slope, _) in every_gradient(padded).items():
        np.testing.assert_array_equal(np.asarray(slope)[beyond], 0, err_msg=name)


FORBIDDEN = np.float32(-np.inf)
NO_PATH = {
    "no start": lambda x: x._replace(chain=x.chain._replace(start=np.full(T, FORBIDDEN))),
    "no end": lambda x: x._replace(chain=x.chain._replace(end=np.full(T, FORBIDDEN))),
    "no transition": lambda x: x._replace(chain=x.chain._replace(transitions=np.full((T, T), FORBIDDEN))),
    "no tag for the second word": lambda x: x._replace(
        emissions=np.where(np.arange(N)[:, None] == 1, FORBIDDEN, x.emissions)
    ),
    "nothing at all": lambda x: x._replace(emissions=np.full_like(x.emissions, FORBIDDEN)),
}


@pytest.mark.parametrize("why", NO_PATH)
def test_sentence_without_an_allowed_path_has_probability_and_gradient_zero(why):
    inputs = NO_PATH[why](random_inputs(4, N, T)._replace(lengths=np.array([4, 2, 3, 0, 0], np.int32)))
    check(every_function(inputs), inputs, 1e-5, 1e-5)
    results = every_function(inputs)
    for name in ("log_partition", "log_likelihood", "span_log_probability"):
        np.testing.assert_array_equal(results[name], [-np.inf, -np.inf, -np.inf, 0, 0], err_msg=name)
    for name in ("marginals", "pair_marginals", "entropy"):
        np.testing.assert_array_equal(results[name], np.zeros_like(results[name]), err_msg=name)
    gradients = every_gradient(inputs)
    steps = gradients.pop("path_log_probabilities")  # possible steps have a gradient of their own
    assert all(np.all(np.isfinite(slope)) for slope in jax.tree.leaves(steps))
    for name, slopes in gradients.items():
        for slope in jax.tree.leaves(slopes):
            np.testing.assert_array_equal(slope, np.zeros(slope.shape), err_msg=name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_second_call_compiles_nothing(name):
    first, second = random_inputs(0, N, T), random_inputs(1, N, T)

    def call(inputs: Inputs):
        FUNCTIONS[name](*inputs)
        if name in ("log_partition", "log_likelihood", "entropy"):
            jax.grad(
                lambda e, chain: jnp.sum(FUNCTIONS[name](e, *inputs[1:3], chain, inputs.lengths)), (0, 1)
            )(inputs.emissions, inputs.chain)

    call(first)
    with recorded_compilations() as programs:
        call(second)
    assert programs == []
    with recorded_compilations() as programs:
        jax.jit(lambda x: x + len(name))(0)
    assert programs


@pytest.mark.parametrize("name", FUNCTIONS)
def test_lengths_may_have_any_integer_type(name):
    inputs = random_inputs(2, N, T)
    assert 0 in inputs.lengths
    for dtype in (np.uint8, np.int64):
        results = FUNCTIONS[name](*inputs._replace(lengths=inputs.lengths.astype(dtype)))
        jax.tree.map(np.testing.assert_array_equal, results, FUNCTIONS[name](*inputs))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_gradients_do_not_depend_on_the_integer_type_of_lengths(dtype):
    inputs = random_inputs(2, N, T)
    slopes = jax.grad(partial(total, "log_likelihood"), (0, 3))
    other = inputs._replace(lengths=inputs.lengths.astype(dtype))
    jax.tree.map(np.testing.assert_array_equal, slopes(*other), slopes(*inputs))
