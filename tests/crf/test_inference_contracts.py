"""What every public function keeps to: any leading axes, dtypes, transformations, padding."""

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
    """By emissions and by chain."""
    return {name: jax.grad(partial(total, name), (0, 3))(*inputs) for name in SMOOTH}


partition_gradient = jax.jit(lambda inputs: jax.grad(partial(total, "log_partition"), (0, 3))(*inputs))


def check_shapes(found: dict[str, Any], lead: tuple[int, ...], n: int, t: int) -> None:
    shapes = dict.fromkeys(FUNCTIONS, lead) | {
        "marginals": (*lead, n, t),
        "pair_marginals": (*lead, n - 1, t, t),
        "viterbi": ((*lead, n), lead),
        "k_best": ((*lead, K, n), (*lead, K)),
        "sample": (DRAWS, *lead, n),
        "path_log_probabilities": (*lead, n),
    }
    for name, value in found.items():
        assert jax.tree.map(np.shape, value) == shapes[name], name


def check(found: dict[str, Any], inputs: Inputs, relative: float, absolute: float) -> None:
    """Results of some functions against the enumeration of each sentence."""
    lead, (n, t) = np.shape(inputs.lengths), inputs.emissions.shape[-2:]
    found = jax.tree.map(np.asarray, found)
    check_shapes(found, lead, n, t)
    found["sample"] = np.moveaxis(found["sample"], 0, -2)
    chain = [np.asarray(scores, np.float64) for scores in inputs.chain]
    for place in np.ndindex(lead):
        length = int(np.asarray(inputs.lengths)[place])
        emissions, tags, allowed = (np.asarray(x)[place][:length] for x in inputs[:3])
        wanted = crf_enumeration(emissions, tags, allowed, *chain, k=K)
        score = partial(_path_score, emissions, chain)
        for name, value in found.items():
            close = partial(np.testing.assert_allclose, rtol=relative, atol=absolute, err_msg=name)
            if name == "sample":
                drawn = [score(path) for path in value[place]]
                assert np.all(np.isfinite(drawn)) or np.isneginf(wanted["log_partition"])
            elif name in ("viterbi", "k_best"):
                paths, scores = value[0][place].reshape(-1, n), value[1][place]
                close(scores, wanted[name])
                real = paths[np.isfinite(scores.reshape(-1))]
                close([score(path) for path in real], scores[np.isfinite(scores)])
                assert len({tuple(path) for path in real}) == len(real)
            elif name != "path_log_probabilities" or np.isfinite(wanted["score"]):
                padded = np.zeros(value[place].shape)  # 0 beyond the length
                padded[tuple(map(slice, wanted[name].shape))] = wanted[name]
                close(value[place], padded)


def _path_score(emissions: np.ndarray, chain: list[np.ndarray], path: np.ndarray) -> float:
    np.testing.assert_array_equal(path[len(emissions) :], 0)
    return crf_score(emissions, path[: len(emissions)], *chain)


def check_dtypes(found: dict[str, Any], floats: Any) -> None:
    for name, value in found.items():
        tags = {"viterbi": (jnp.int32, floats), "k_best": (jnp.int32, floats), "sample": jnp.int32}
        assert jax.tree.map(lambda x: x.dtype, value) == tags.get(name, floats), name


@pytest.mark.parametrize("lead", [(), (5,), (2, 3), (0,)])
def test_any_leading_axes_give_what_the_enumeration_gives(lead):
    inputs = random_inputs(sum(lead), N, T, lead=lead, forbidden=0.1)
    found = every_function(inputs)
    check(found, inputs, 1e-5, 1e-5)
    check_dtypes(found, jnp.float32)


@pytest.mark.parametrize("lead", [(1,), (1, 2, 1), (2, 0, 3)])
def test_results_have_the_leading_axes_of_the_emissions(lead):
    inputs = random_inputs(0, N, T, lead=lead)
    check_shapes(jax.eval_shape(every_function, inputs), lead, N, T)


@pytest.mark.parametrize("seed", range(4))
def test_short_floats_are_read_as_they_are_and_summed_in_single_precision(seed):
    inputs = random_inputs(seed, N, T, forbidden=0.1 * (seed % 2), scale=3.0)
    short = lambda x: jnp.asarray(x, jnp.bfloat16)
    inputs = inputs._replace(emissions=short(inputs.emissions), chain=Chain(*map(short, inputs.chain)))
    found = every_function(inputs)
    check_dtypes(found, jnp.float32)
    check(found, inputs, 1e-5, 1e-5)


def double(inputs: Inputs) -> Inputs:
    exact = lambda x: np.asarray(x, np.float64)
    return inputs._replace(emissions=exact(inputs.emissions), chain=Chain(*map(exact, inputs.chain)))


@pytest.mark.parametrize("seed", range(4))
def test_double_precision_is_kept(seed):
    inputs = double(random_inputs(seed, N, T, forbidden=0.1 * (seed % 2), scale=3.0))
    with jax.enable_x64(True):
        found = every_function(inputs)
        check_dtypes(found, jnp.float64)
        check(found, inputs, 1e-12, 1e-12)


@pytest.mark.parametrize("exact", ["emissions", "chain"])
def test_of_two_precisions_the_higher_is_kept(exact):
    inputs = random_inputs(1, N, T)
    inputs = inputs._replace(**{exact: getattr(double(inputs), exact)})
    with jax.enable_x64(True):
        found = every_function(inputs)
        check_dtypes(found, jnp.float64)
        check(found, inputs, 1e-12, 1e-12)


@pytest.mark.parametrize("steps", [(0.0, -1e4), (0.0, 1e4), (-1e4, 0.0, 1e4)])
@pytest.mark.parametrize("precision", ["single", "double"])
def test_transitions_may_differ_by_ten_thousand(steps, precision):
    for seed in range(5):
        random = np.random.default_rng(seed)
        inputs = random_inputs(seed, N, T, forbidden=0.1 * (seed % 2))
        transitions = random.choice(steps, (T, T)).astype(np.float32)
        inputs = inputs._replace(chain=inputs.chain._replace(transitions=transitions))
        if precision == "double":
            with jax.enable_x64(True):
                inputs = double(inputs)
                found, slopes = every_function(inputs), partition_gradient(inputs)
            tolerance = 1e-10
        else:
            found, slopes = every_function(inputs), partition_gradient(inputs)
            # Sums reach 3e4, where a float32 has steps of 2e-3 nats.
            tolerance = 5e-3
        check(found, inputs, 1e-6, tolerance)
        for i, length in enumerate(inputs.lengths):
            shares = crf_marginals(inputs.emissions[i, :length], *inputs.chain)
            # Of two tags that both lie 1e4 nats behind, a step of 1e-3 is what is left of their difference.
            np.testing.assert_allclose(found["marginals"][i, :length], shares, 0, min(tolerance, 1e-3))
        np.testing.assert_allclose(slopes[0], found["marginals"], 0, min(tolerance, 1e-3))
        moves = np.sum(np.asarray(found["pair_marginals"]), (0, 1))
        np.testing.assert_allclose(slopes[1].transitions, moves, 0, min(tolerance, 1e-3))


def test_vmap_of_vmap_over_chains_and_sentences_is_one_call_for_each():
    inputs = random_inputs(7, N, T, lead=(3,), forbidden=0.1)
    chains = [Chain(*(np.float32(scale) * scores for scores in inputs.chain)) for scale in (1.0, 30.0)]
    stacked = inputs._replace(chain=jax.tree.map(lambda *scores: np.stack(scores), *chains))
    within, over = (0, 0, 0, None, 0), (None, None, None, 0, None)
    # The others sum or decode as one of these does.
    names = ("log_likelihood", "marginals", "viterbi", "k_best", "sample", "entropy")
    some = lambda *inputs: {name: FUNCTIONS[name](*inputs) for name in names}
    found = jax.jit(jax.vmap(jax.vmap(some, within), over))(*stacked)
    # Draws stand before the sentences of one call, but here behind those that are mapped over.
    found["sample"] = np.moveaxis(np.asarray(found["sample"]), 2, 1)
    for i, chain in enumerate(chains):
        check(jax.tree.map(lambda x, i=i: x[i], found), inputs._replace(chain=chain), 1e-5, 1e-5)


def test_gradients_under_vmap_of_vmap_are_those_of_the_enumeration():
    inputs = random_inputs(3, N, T, lead=(3,))
    # Of the second chain the transitions span more than the fast way of summing takes.
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
        found = {name: jax.grad(value, (0, 1))(emissions, chain) for name, value in values.items()}
        return found, crf.k_best(emissions, chain, length, 2)[0]

    sentences = inputs.emissions, inputs.tags, np.maximum(inputs.lengths, 2)
    over_sentences = jax.vmap(slopes, (None, 0, 0, 0))
    over_both = jax.jit(jax.vmap(over_sentences, (0, None, None, None)))
    found, paths = over_both(jax.tree.map(lambda *scores: np.stack(scores), *chains), *sentences)
    one_hot = lambda tags: np.asarray(tags)[..., None] == np.arange(T)
    for place in np.ndindex(2, 3):
        chain, (emissions, tags, length) = chains[place[0]], (x[place[1]] for x in sentences)
        emissions, tags, two = emissions[:length], tags[:length], np.asarray(paths)[place][:, :length]
        every = crf_enumeration(emissions, tags, np.ones(emissions.shape, bool), *chain, k=K)
        shares = every["marginals"]
        wanted = {
            "log_partition": shares,
            "log_likelihood": one_hot(tags) - shares,
            "marginals": crf_marginals_slope(emissions, weights[:length], *chain),
            "viterbi": one_hot(two[0]),
            "k_best": one_hot(two).sum(0),
        }
        for name, slope in wanted.items():
            by_emissions = found[name][0][place]
            np.testing.assert_allclose(by_emissions[:length], slope, 1e-5, 1e-5, err_msg=name)
            np.testing.assert_array_equal(by_emissions[length:], 0)
            by_chain = jax.tree.map(lambda x, place=place: x[place], found[name][1])
            np.testing.assert_allclose(by_chain.start, slope[0], 1e-5, 1e-5, err_msg=name)
            np.testing.assert_allclose(by_chain.end, slope[-1], 1e-5, 1e-5, err_msg=name)
        moves = every["pair_marginals"].sum(0)
        by_chain = found["log_partition"][1].transitions[place]
        np.testing.assert_allclose(by_chain, moves, 1e-5, 1e-5)


@pytest.mark.parametrize("rubbish", [np.nan, np.inf, -np.inf, 1e30])
def test_what_stands_behind_a_sentence_never_matters(rubbish):
    inputs = random_inputs(8, N, T, forbidden=0.1)
    beyond = np.arange(N)[None] >= inputs.lengths[:, None]
    padded = inputs._replace(
        emissions=np.where(beyond[..., None], np.float32(rubbish), inputs.emissions),
        tags=np.where(beyond, -1 if np.isnan(rubbish) else 99, inputs.tags).astype(np.int32),
        allowed=np.where(beyond[..., None], bool(rubbish > 0), inputs.allowed),
    )
    for function in (every_function, every_gradient):
        jax.tree.map(np.testing.assert_array_equal, function(padded), function(inputs))
    for name, (slope, _) in every_gradient(padded).items():
        np.testing.assert_array_equal(np.asarray(slope)[beyond], 0, err_msg=name)


NOTHING = np.float32(-np.inf)
NO_PATH = {
    "no start": lambda x: x._replace(chain=x.chain._replace(start=np.full(T, NOTHING))),
    "no end": lambda x: x._replace(chain=x.chain._replace(end=np.full(T, NOTHING))),
    "no transition": lambda x: x._replace(chain=x.chain._replace(transitions=np.full((T, T), NOTHING))),
    "no tag for the second word": lambda x: x._replace(
        emissions=np.where(np.arange(N)[:, None] == 1, NOTHING, x.emissions)
    ),
    "nothing at all": lambda x: x._replace(emissions=np.full_like(x.emissions, NOTHING)),
}


@pytest.mark.parametrize("why", NO_PATH)
def test_a_sentence_without_a_path_has_probability_zero_and_a_gradient_of_zero(why):
    inputs = NO_PATH[why](random_inputs(4, N, T)._replace(lengths=np.array([4, 2, 3, 0, 0], np.int32)))
    check(every_function(inputs), inputs, 1e-5, 1e-5)
    found = every_function(inputs)
    for name in ("log_partition", "log_likelihood", "span_log_probability"):
        np.testing.assert_array_equal(found[name], [-np.inf, -np.inf, -np.inf, 0, 0], err_msg=name)
    for name in ("marginals", "pair_marginals", "entropy"):
        np.testing.assert_array_equal(found[name], np.zeros_like(found[name]), err_msg=name)
    gradients = every_gradient(inputs)
    steps = gradients.pop("path_log_probabilities")  # those that are possible each have a slope
    assert all(np.all(np.isfinite(slope)) for slope in jax.tree.leaves(steps))
    for name, slopes in gradients.items():
        for slope in jax.tree.leaves(slopes):
            np.testing.assert_array_equal(slope, np.zeros(slope.shape), err_msg=name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_second_call_compiles_nothing(name):
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
def test_lengths_may_be_of_any_integer_type(name):
    inputs = random_inputs(2, N, T)
    assert 0 in inputs.lengths
    for dtype in (np.uint8, np.int64):
        found = FUNCTIONS[name](*inputs._replace(lengths=inputs.lengths.astype(dtype)))
        jax.tree.map(np.testing.assert_array_equal, found, FUNCTIONS[name](*inputs))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_gradients_do_not_depend_on_the_integer_type_of_lengths(dtype):
    inputs = random_inputs(2, N, T)
    slopes = jax.grad(partial(total, "log_likelihood"), (0, 3))
    other = inputs._replace(lengths=inputs.lengths.astype(dtype))
    jax.tree.map(np.testing.assert_array_equal, slopes(*other), slopes(*inputs))
