"""Distributions over a sentence's tags that are Markov chains, each word with transitions of its own."""

from typing import NamedTuple

import numpy as np

__all__ = ["MarkovChain"]


class MarkovChain(NamedTuple):
    """P(tags) = P(first tag) * the product of P(tag | tag before), from marginals of words and neighbours."""

    first: np.ndarray  # (t,) float64 nats; (0,) of a sentence without words
    moves: np.ndarray  # (n - 1, t, t) float64 nats, [i, from, to]; ``-inf`` for what never comes

    @classmethod
    def of_marginals(cls, words: np.ndarray, pairs: np.ndarray) -> "MarkovChain":
        """The chain with these marginals.

        Args:
            words: (n, t) probabilities of each word's tags.
            pairs: (n - 1, t, t) probabilities of each word's tag and the next one's, [i, from, to].
        """
        if not len(words):
            return cls(np.zeros(0), pairs)
        totals = pairs.sum(-1, dtype=np.float64, keepdims=True)
        with np.errstate(divide="ignore"):
            return cls(
                np.log(words[0] / words[0].sum(dtype=np.float64)),
                np.log(pairs / np.where(totals == 0, 1.0, totals)),
            )

    def k_best(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k most probable tag sequences (k, n) int32, and log P of each (k,) nats.

        Descending; ``-inf``, and tags that mean nothing, where fewer sequences are possible.
        """
        t = len(self.first)
        if not t:  # one sequence: no tags
            return np.zeros((k, 0), np.int32), np.where(np.arange(k), -np.inf, 0.0)
        logs = self.first[None]  # (rank, t): of the best beginnings that end in each tag
        parents = []
        for moves in self.moves:
            reached = (logs[..., None] + moves).reshape(-1, t)  # (rank and tag before, t)
            parents.append(_highest(reached, k))
            logs = np.take_along_axis(reached, parents[-1], 0)
        ends = _highest(logs.reshape(-1, 1), k)[:, 0]
        found = np.full(k, -np.inf)
        found[: len(ends)] = logs.reshape(-1)[ends]
        paths = np.zeros((k, len(self.moves) + 1), np.int32)
        rank, tag = np.divmod(ends, t)
        paths[: len(ends), -1] = tag
        for i in range(len(parents) - 1, -1, -1):
            rank, tag = np.divmod(parents[i][rank, tag], t)
            paths[: len(ends), i] = tag
        return paths, found

    def path_log_probabilities(self, tags: np.ndarray) -> np.ndarray:
        """Log P(tag of each word | tag of the word before) (n,) nats, of the first word log P(tag)."""
        if not len(self.first):
            return np.zeros(0)
        after = self.moves[np.arange(len(self.moves)), tags[:-1], tags[1:]]
        return np.concatenate([self.first[tags[:1]], after])


def _highest(scores: np.ndarray, k: int) -> np.ndarray:
    """The rows of the k highest scores of each column, descending; the first of equal ones first."""
    if k == 1:
        return np.argmax(scores, 0)[None]
    return np.argsort(-scores, 0, kind="stable")[:k]
