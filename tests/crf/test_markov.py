"""Markov chains with a temperature, against all sequences enumerated."""

import itertools

import numpy as np
import pytest

from mlmt_jax.crf.markov import MarkovChain


def all_sequences(chain: MarkovChain, n: int, t: int) -> tuple[np.ndarray, np.ndarray]:
    """Return all tag sequences (t ** n, n) and their log P."""
    sequences = np.array(list(itertools.product(range(t), repeat=n)))
    return sequences, np.array([chain.path_log_probabilities(tags).sum() for tags in sequences])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_tempered_chain_has_the_normalized_powers(temperature: float) -> None:
    n, t = 4, 3
    random = np.random.default_rng(1)
    pairs = random.random((n - 1, t, t))
    pairs[1, 2] = 0.0  # no way on from a tag
    pairs[0, :, 2] = 0.0  # nor to it
    chain = MarkovChain.from_marginals(random.random((n, t)), pairs)
    sequences, logs = all_sequences(chain, n, t)
    powers = np.exp(logs / temperature)
    tempered = chain.tempered(temperature)
    np.testing.assert_allclose(np.exp(all_sequences(tempered, n, t)[1]), powers / powers.sum(), atol=1e-12)
    expected = [[powers[sequences[:, i] == tag].sum() / powers.sum() for tag in range(t)] for i in range(n)]
    np.testing.assert_allclose(tempered.marginals(), expected, atol=1e-12)


def test_an_empty_sentence_has_no_marginals() -> None:
    chain = MarkovChain.from_marginals(np.zeros((0, 3)), np.zeros((0, 3, 3))).tempered(2.0)
    assert chain.marginals().shape == (0, 3)
    assert len(chain.path_log_probabilities(np.zeros(0, int))) == 0
