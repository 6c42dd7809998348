"""Random sentences of unequal length, random chains, and every public function of the CRF."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from mlmt_jax import crf
from mlmt_jax.crf import Chain

SHAPES = [(1, 3), (4, 1), (3, 5), (6, 5)]  # words n, tags t
WIDE = [(2, 40), (2, 70)]  # more tags than sums and maxima are unrolled for


class Case(NamedTuple):
    """A batch of sentences with gold tags and one chain."""

    emissions: np.ndarray  # (B, n, t) float32
    tags: np.ndarray  # (B, n) int32
    chain: Chain
    lengths: np.ndarray  # (B,) int32: 0, 1, full, and some between

    def sentences(self):
        """Yield emissions and tags of each sentence, cut to its length."""
        for emissions, tags, length in zip(self.emissions, self.tags, self.lengths, strict=True):
            yield emissions[:length], tags[:length]


def random_case(seed: int, n: int, t: int, *, forbidden: float = 0.0, scale: float = 1.0) -> Case:
    """Draw a case of B = 5 sentences.

    Args:
        seed: of the random numbers.
        n: words of the longest sentence.
        t: number of tags.
        forbidden: probability that a score, of chain or emissions, is -inf.
        scale: standard deviation of the other scores, nats.
    """
    random = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        scores = scale * random.normal(size=shape)
        return np.where(random.random(shape) < forbidden, -np.inf, scores).astype(np.float32)

    lengths = np.array([0, 1, n, *random.integers(0, n + 1, 2)], np.int32)
    random.shuffle(lengths)
    return Case(
        emissions=draw(len(lengths), n, t),
        tags=random.integers(0, t, (len(lengths), n), np.int32),
        chain=Chain(draw(t, t), draw(t), draw(t)),
        lengths=lengths,
    )


K, DRAWS = 4, 3

# Every public function, as a function of emissions, tags, allowed tags, chain and lengths.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "log_partition": lambda e, y, a, chain, lengths: crf.log_partition(e, chain, lengths),
    "score": lambda e, y, a, chain, lengths: crf.score(e, y, chain, lengths),
    "log_likelihood": lambda e, y, a, chain, lengths: crf.log_likelihood(e, y, chain, lengths),
    "marginals": lambda e, y, a, chain, lengths: crf.marginals(e, chain, lengths),
    "pair_marginals": lambda e, y, a, chain, lengths: crf.pair_marginals(e, chain, lengths),
    "viterbi": lambda e, y, a, chain, lengths: crf.viterbi(e, chain, lengths),
    "k_best": lambda e, y, a, chain, lengths: crf.k_best(e, chain, lengths, K),
    "sample": lambda e, y, a, chain, lengths: crf.sample(jax.random.key(0), e, chain, lengths, (DRAWS,)),
    "entropy": lambda e, y, a, chain, lengths: crf.entropy(e, chain, lengths),
    "span_log_probability": lambda e, y, a, chain, lengths: crf.span_log_probability(e, chain, lengths, a),
    "path_log_probabilities": lambda e, y, a, chain, lengths: crf.path_log_probabilities(
        e, y, chain, lengths
    ),
}


class Inputs(NamedTuple):
    """The arguments of ``FUNCTIONS``, in their order."""

    emissions: Any  # (..., n, t)
    tags: Any  # (..., n)
    allowed: Any  # (..., n, t) bool
    chain: Chain
    lengths: Any  # (...)


def random_inputs(
    seed: int, n: int, t: int, *, lead: tuple[int, ...] | None = None, **kinds: float
) -> Inputs:
    """Draw the inputs of a random case.

    With ``lead``, its sentences are repeated to these leading axes, the longest first.
    """
    case = random_case(seed, n, t, **kinds)
    allowed = np.random.default_rng(seed).random(case.emissions.shape) < 0.7
    inputs = Inputs(case.emissions, case.tags, allowed, case.chain, case.lengths)
    if lead is None:
        return inputs
    rows = np.resize(np.argsort(-case.lengths), lead).astype(int)
    return inputs._replace(
        **{name: getattr(inputs, name)[rows] for name in Inputs._fields if name != "chain"}
    )
