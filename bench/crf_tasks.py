"""The tasks of the CRF benchmark: random cases for every implementation, and the comparison of answers.

Answers are NumPy arrays:

    loss + gradient    mean negative log-likelihood (nats), and its gradients with respect to emissions
                       (B, n, t), transitions (t, t), start (t,) and end (t,)
    Viterbi            tags (B, n)
    marginals          probabilities (B, n, t)
    10-best            tags (B, 10, n)
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mlmt_jax.crf import Chain

LOSS, VITERBI, MARGINALS, K_BEST = TASKS = ("loss + gradient", "Viterbi", "marginals", "10-best")
K = 10


class Case(NamedTuple):
    """A batch of sentences of unequal length."""

    emissions: np.ndarray  # (B, n, t) float32, nats
    tags: np.ndarray  # (B, n) int32
    chain: Chain  # of float32 arrays
    lengths: np.ndarray  # (B,) int32, from 1 to n


class Program(NamedTuple):
    """One task of one implementation on one case, with its inputs on the device."""

    run: Callable[[], Any]  # waits for its result
    answer: Callable[[Any], Any]  # converts the result of ``run`` to the answer of the task
    compile_seconds: float | None = None
    program_bytes: int | None = None  # temporary and output arrays of the compiled program


class Implementation(NamedTuple):
    """A CRF to measure: mlmt_jax.crf or a peer."""

    tasks: tuple[str, ...]
    prepare: Callable[[Case, str], Program]
    working_bytes: Callable[[Case, str], int] = lambda case, task: 0  # lower bound of the largest array


def random_case(shape: tuple[int, int, int], seed: int = 0) -> Case:
    """Draw normal scores of shape (B, n, t); the first sentence has n words, the others from 1 to n."""
    B, n, t = shape
    random = np.random.default_rng(seed)
    normal = lambda *shape: random.normal(size=shape).astype(np.float32)
    lengths = random.integers(1, n + 1, B, np.int32)
    lengths[0] = n
    tags = random.integers(0, t, (B, n), np.int32)
    return Case(normal(B, n, t), tags, Chain(normal(t, t), normal(t), normal(t)), lengths)


def path_scores(case: Case, tags: np.ndarray) -> np.ndarray:
    """Compute the float64 scores of tags: (B, ..., n) -> (B, ...) nats."""
    chain = Chain(*(np.asarray(scores, np.float64) for scores in case.chain))
    B, n, _ = case.emissions.shape
    axes = (1,) * (tags.ndim - 2)
    sentence, word = np.arange(B).reshape(B, *axes, 1), np.arange(n)
    lengths = case.lengths.reshape(B, *axes, 1)
    inside = word < lengths
    emissions = case.emissions.astype(np.float64)[sentence, word, tags]
    moves = chain.transitions[tags[..., :-1], tags[..., 1:]]
    last = np.take_along_axis(tags, np.broadcast_to(lengths - 1, tags.shape), -1)
    total = np.where(inside, emissions, 0).sum(-1) + np.where(inside[..., 1:], moves, 0).sum(-1)
    return total + chain.start[tags[..., 0]] + chain.end[last[..., 0]]


def disagreement(case: Case, task: str, reference: Any, answer: Any) -> str | None:
    """Describe how an answer differs from the reference, or return None if it agrees.

    Numbers agree up to 1e-3 of the largest one; marginals up to 1e-3. Paths are compared by their scores, in
    order, as many as the sentence has.
    """
    if task == LOSS:
        pairs = zip(("loss", "emissions", "transitions", "start", "end"), reference, answer, strict=True)
    elif task == MARGINALS:
        pairs = [("marginals", reference, answer)]
    else:
        scores = [path_scores(case, np.asarray(tags)) for tags in (reference, answer)]
        if task == K_BEST:
            words = np.minimum(case.lengths, K).astype(float)  # K words have K paths if t > 1
            exists = np.arange(K) < (case.emissions.shape[2] ** words)[:, None]
            scores = [np.where(exists, x, 0) for x in scores]
        pairs = [("path scores", *scores)]
    for name, a, b in pairs:
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        scale = 1.0 if task == MARGINALS else np.max(np.abs(a), initial=0.0)
        difference = np.max(np.abs(a - b), initial=0.0)
        if not difference <= 1e-3 * scale:  # true for NaN as well
            return f"{name}: differ by {difference:.2g} (largest number {scale:.2g})"
    return None
