"""The LSTM against a loop over gates, words and directions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from dense import DenseSentence, pack_dense
from modules import Params, applied, initial_params, random_params

from mlmt_jax.model.encoder import LSTM, WordEmbedding
from mlmt_jax.model.masking import dropout, random_bytes

N, D, SIZE = 6, 4, 3
LENGTHS = np.array([0, 1, N, 4, 2], np.int32)
# Used only for its packing.
BATCH = pack_dense(
    [DenseSentence(np.arange(n), np.ones((n, 1), np.int32), np.zeros(n, np.int32)) for n in LENGTHS],
    len(LENGTHS),
    N,
    3,
)
PACKED, ROWS, P = BATCH.sentences, len(LENGTHS), len(BATCH.word_ids)
KEY = jax.random.key(1)


def module(*, bidirectional: bool = True, layers: int = 1, dropout: float = 0.0) -> LSTM:
    return LSTM(SIZE, bidirectional, 1.0, layers, dropout)


def trained(lstm: LSTM) -> Params:
    return random_params(lstm, D)


def inputs(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(len(LENGTHS), N, D)).astype(np.float32)


@pytest.fixture(params=["cpu", "elsewhere"])
def _device(request, monkeypatch):
    """Build the loop for a CPU or for other platforms; both run on this machine."""
    if request.param == "cpu":
        yield
        return
    calls = []

    def elsewhere(*args, default, **_):
        calls.append(default)
        return default(*args)

    monkeypatch.setattr(jax.lax, "platform_dependent", elsewhere)
    jax.clear_caches()
    yield
    jax.clear_caches()
    assert calls


@partial(jax.jit, static_argnums=0)
def run(lstm: LSTM, params: Params, x, key=None) -> jax.Array:
    """Return the states (B, N, features) for inputs (B, N, D); 0 beyond the lengths."""
    words = jnp.zeros((P, D)).at[PACKED.packed_index].set(x, mode="drop")
    sites = [lstm.features] * (lstm.num_layers - 1)
    bits = random_bytes(key, PACKED.dropout_ids, sites) if sites and key is not None else ()
    drops = [partial(dropout, rate=lstm.dropout, bits=layer) for layer in bits]
    outputs = lstm.apply({"params": params}, words, PACKED.reversal, PACKED.step_starts, ROWS, drops)
    return jnp.asarray(outputs).at[PACKED.packed_index].get(mode="fill", fill_value=0.0)


@pytest.mark.usefixtures("_device")
@pytest.mark.parametrize(("bidirectional", "layers"), [(False, 1), (False, 2), (True, 1), (True, 3)])
def test_states_are_those_of_a_loop_over_each_sentence_alone(bidirectional, layers):
    lstm = module(bidirectional=bidirectional, layers=layers)
    params, x = trained(lstm), inputs()
    assert lstm.features == (2 * SIZE if bidirectional else SIZE)
    expected = np.zeros((len(LENGTHS), N, lstm.features))
    for i, length in enumerate(LENGTHS):
        states = x[i, :length]
        for layer in range(layers):
            directions = [
                [params[f"{name}_{layer}"][direction] for name in ("kernel", "recurrent", "bias")]
                for direction in range(2 if bidirectional else 1)
            ]
            states = (
                oracles.bilstm(states, *directions) if bidirectional else oracles.lstm(states, *directions[0])
            )
        expected[i, :length] = states
    np.testing.assert_allclose(run(lstm, params, x), expected, 1e-4, 1e-5)


@pytest.mark.usefixtures("_device")
def test_padding_of_a_sentence_never_matters():
    lstm = module(layers=2)
    params, x = trained(lstm), inputs()
    other_x = np.where(np.arange(N)[:, None] < LENGTHS[:, None, None], x, 1e3 * inputs(9))
    slopes = jax.jit(jax.grad(lambda params, x: jnp.sum(run(lstm, params, x) ** 2)))
    np.testing.assert_array_equal(run(lstm, params, x), run(lstm, params, other_x))
    jax.tree.map(np.testing.assert_array_equal, slopes(params, x), slopes(params, other_x))


@pytest.mark.usefixtures("_device")
def test_padding_of_packed_words_never_matters():
    lstm = module(layers=2)
    params, words = trained(lstm), np.random.default_rng(2).normal(size=(P, D)).astype(np.float32)
    other_words = words.copy()
    other_words[sum(LENGTHS) :] = 1e3

    def total(params, words):
        states = jnp.asarray(lstm.apply({"params": params}, words, PACKED.reversal, PACKED.step_starts, ROWS))
        return jnp.sum(states[: sum(LENGTHS)] ** 2)

    value = jax.jit(jax.value_and_grad(total, (0, 1)))
    jax.tree.map(np.testing.assert_array_equal, value(params, words), value(params, other_words))


@pytest.mark.usefixtures("_device")
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_gradient_is_that_of_a_plain_loop(bidirectional):
    lstm = module(bidirectional=bidirectional)
    params, x = trained(lstm), inputs()
    weights = inputs(4)[..., :1]

    def plain(params, x):
        total = 0.0
        for i, length in enumerate(LENGTHS):
            for direction in range(2 if bidirectional else 1):
                kernel, recurrent, bias = (
                    params[f"{k}_0"][direction] for k in ("kernel", "recurrent", "bias")
                )
                h = c = jnp.zeros(SIZE)
                for j in range(length) if direction == 0 else reversed(range(length)):
                    entry, forget, content, exit_ = jnp.split(x[i, j] @ kernel + h @ recurrent + bias, 4)
                    c = jax.nn.sigmoid(forget) * c + jax.nn.sigmoid(entry) * jnp.tanh(content)
                    h = jax.nn.sigmoid(exit_) * jnp.tanh(c)
                    total += jnp.sum(weights[i, j] * h)
        return total

    weighted_sum = lambda params, x: jnp.sum(weights * run(lstm, params, x))
    for got, want in zip(
        *(jax.tree.leaves(jax.jit(jax.grad(f, (0, 1)))(params, x)) for f in (weighted_sum, plain)),
        strict=True,
    ):
        np.testing.assert_allclose(got, want, 1e-4, 1e-5)


def test_each_gate_starts_orthogonal_and_the_forget_gate_with_its_bias():
    lstm = LSTM(SIZE, True, 1.5, 2, 0.0)
    params = initial_params(lstm, 2)
    gates = []
    # Fewer rows than columns, as many, and more.
    for layer, rows in enumerate((2, 2 * SIZE)):
        for name, fan_in in (("kernel", rows), ("recurrent", SIZE)):
            weights = np.asarray(params[f"{name}_{layer}"])
            assert weights.shape == (2, fan_in, 4 * SIZE)
            gates += [block for direction in weights for block in np.split(direction, 4, 1)]
        biases = np.asarray(params[f"bias_{layer}"]).reshape(2, 4, SIZE)
        np.testing.assert_array_equal(biases[:, 1], 1.5)
        np.testing.assert_array_equal(biases[:, [0, 2, 3]], 0.0)
    for gate in gates:
        fewer = gate @ gate.T if gate.shape[0] <= gate.shape[1] else gate.T @ gate
        np.testing.assert_allclose(fewer, np.eye(len(fewer)), 0, 1e-5)
    # No gate is the copy of another.
    assert len({gate.tobytes() for gate in gates}) == len(gates) == 32


def test_dropout_acts_only_between_layers():
    x = inputs()
    single, double = module(dropout=0.5), module(layers=2, dropout=0.5)
    params = trained(double)
    plain = np.asarray(run(module(layers=2), params, x))
    keys = KEY, KEY, jax.random.key(2)
    dropped, again, other_key = (np.asarray(run(double, params, x, key)) for key in keys)
    inside = np.arange(N) < LENGTHS[:, None]
    np.testing.assert_array_equal(dropped, again)
    for outputs in (plain, other_key):
        assert np.mean(outputs[inside] != dropped[inside]) > 0.9
    # Outputs are neither dropped nor scaled: none is 0, none beyond the range of tanh.
    assert np.all((dropped[inside] != 0) & (np.abs(dropped[inside]) < 1))
    params = trained(single)
    np.testing.assert_allclose(run(single, params, x, KEY), run(module(), params, x), 1e-6, 1e-6)


def test_an_embedding_gathers_rows():
    table = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    words = np.array([[0, 6, 2], [3, 3, 1]])
    vectors = applied(WordEmbedding(7, 3), {"table": table}, words)
    np.testing.assert_array_equal(vectors, table[words])
