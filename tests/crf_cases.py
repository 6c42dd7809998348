"""Random chains and ragged sentences."""

from typing import NamedTuple

import numpy as np

from mlmt_jax.crf import Chain

SHAPES = [(1, 3), (4, 1), (3, 5), (6, 5)]  # words n, tags t
WIDE = [(2, 40), (2, 70)]  # more tags than are written out, in sums and in maxima


class Case(NamedTuple):
    emissions: np.ndarray  # (B, n, t) float32
    tags: np.ndarray  # (B, n) int32
    chain: Chain
    lengths: np.ndarray  # (B,) int32: 0, 1, full, and some between

    def sentences(self):
        """Emissions and tags of each sentence, cut to its length."""
        for emissions, tags, length in zip(self.emissions, self.tags, self.lengths, strict=True):
            yield emissions[:length], tags[:length]


def random_case(seed: int, n: int, t: int, *, forbidden: float = 0.0, scale: float = 1.0) -> Case:
    """Normal scores, of which a share is -inf: in the chain and in the emissions alike."""
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
