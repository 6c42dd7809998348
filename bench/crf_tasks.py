"""What the CRF benchmark hands to every implementation, and how their answers are compared.

The answers, as NumPy arrays, of
    loss + gradient    mean negative log-likelihood in nats; its gradients: emissions (B, n, t),
                       transitions (t, t), start (t,), end (t,)
    Viterbi            tags (B, n)
    marginals          (B, n, t)
    10-best            tags (B, 10, n)
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mlmt_jax.crf import Chain

__all__ = [
    "K_BEST",
    "LOSS",
    "MARGINALS",
    "TASKS",
    "VITERBI",
    "Case",
    "Implementation",
    "K",
    "Program",
    "disagreement",
    "path_scores",
    "random_case",
]

LOSS, VITERBI, MARGINALS, K_BEST = TASKS = ("loss + gradient", "Viterbi", "marginals", "10-best")
K = 10


class Case(NamedTuple):
    """A batch of ragged sentences."""

    emissions: np.ndarray  # (B, n, t) float32, nats
    tags: np.ndarray  # (B, n) int32
    chain: Chain  # of float32 arrays
    lengths: np.ndarray  # (B,) int32, from 1 to n


class Program(NamedTuple):
    """One task of one implementation on one case, its inputs already on the device."""

    run: Callable[[], Any]  # waits for the answer
    answer: Callable[[Any], Any]  # what ``run`` returned, in the form above
    compile_seconds: float | None = None
    program_bytes: int | None = None  # temporary and output arrays of the compiled program


class Implementation(NamedTuple):
    """A library, or this project."""

    tasks: tuple[str, ...]
    prepare: Callable[[Case, str], Program]
    working_bytes: Callable[[Case, str], int] = lambda case, task: 0  # a lower bound, where it may be huge


def random_case(shape: tuple[int, int, int], seed: int = 0) -> Case:
    """Normal scores of shape (B, n, t); the first sentence is full, the others have from 1 to n words."""
    B, n, t = shape
    random = np.random.default_rng(seed)
    normal = lambda *shape: random.normal(size=shape).astype(np.float32)
    lengths = random.integers(1, n + 1, B, np.int32)
    lengths[0] = n
    tags = random.integers(0, t, (B, n), np.int32)
    return Case(normal(B, n, t), tags, Chain(normal(t, t), normal(t), normal(t)), lengths)


def path_scores(case: Case, tags: np.ndarray) -> np.ndarray:
    """Scores in float64 of tags (B, ..., n): (B, ...) nats."""
    chain = Chain(*(np.asarray(scores, np.float64) for scores in case.chain))
    B, n, _ = case.emissions.shape
    others = (1,) * (tags.ndim - 2)
    sentence, word = np.arange(B).reshape(B, *others, 1), np.arange(n)
    inside = word < case.lengths.reshape(B, *others, 1)
    emissions = case.emissions.astype(np.float64)[sentence, word, tags]
    moves = chain.transitions[tags[..., :-1], tags[..., 1:]]
    last = np.take_along_axis(tags, np.broadcast_to(case.lengths.reshape(B, *others, 1) - 1, tags.shape), -1)
    total = np.where(inside, emissions, 0).sum(-1) + np.where(inside[..., 1:], moves, 0).sum(-1)
    return total + chain.start[tags[..., 0]] + chain.end[last[..., 0]]


def disagreement(case: Case, task: str, ours: Any, theirs: Any) -> str | None:
    """How the answers differ, or nothing: by more than 1e-3, relative or of the largest entry.

    Paths are compared by their scores, in their order, and only so many as the sentence has.
    """
    if task == LOSS:
        pairs = zip(("loss", "emissions", "transitions", "start", "end"), ours, theirs, strict=True)
    elif task == MARGINALS:
        pairs = [("marginals", ours, theirs)]
    else:
        scores = [path_scores(case, np.asarray(tags)) for tags in (ours, theirs)]
        if task == K_BEST:
            words = np.minimum(case.lengths, K).astype(float)  # enough for K paths, t > 1
            possible = case.emissions.shape[2] ** words
            exists = np.arange(K) < possible[:, None]
            scores = [np.where(exists, x, 0) for x in scores]
        pairs = [("path scores", *scores)]
    for name, a, b in pairs:
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        scale = 1.0 if task == MARGINALS else np.max(np.abs(a), initial=0.0)
        worst = np.max(np.abs(a - b), initial=0.0)
        if not worst <= 1e-3 * scale:  # NaN as well
            return f"{name}: differ by {worst:.2g}, the largest is {scale:.2g}"
    return None
