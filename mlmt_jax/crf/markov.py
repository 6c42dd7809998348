"""Markov chains over the tags of a sentence, with separate transition probabilities for each word."""

from typing import NamedTuple

import numpy as np


class MarkovChain(NamedTuple):
    """A distribution P(tags) = P(tag_1) * prod_i P(tag_i+1 | tag_i) over the tags of one sentence."""

    first: np.ndarray  # (t,) float64, log P of the first word's tags (nats); (0,) for an empty sentence
    moves: np.ndarray  # (n - 1, t, t) float64, log P(to | from) (nats), [i, from, to]; `-inf` if impossible

    @classmethod
    def from_marginals(cls, words: np.ndarray, pairs: np.ndarray) -> "MarkovChain":
        """Return the chain that has the given marginals.

        Args:
            words: (n, t) probabilities of each word's tags. Only those of the first word are used; they need
                not sum to 1. If n is 0, the chain is that of an empty sentence.
            pairs: (n - 1, t, t) probabilities of the tags of each word and the next one, [i, from, to]. That
                they agree with ``words`` is not checked.

        Returns:
            The chain. From a tag of probability 0, every transition is `-inf`.
        """
        if not len(words):
            return cls(np.zeros(0), pairs)
        totals = pairs.sum(-1, dtype=np.float64, keepdims=True)
        with np.errstate(divide="ignore"):
            return cls(
                np.log(words[0] / words[0].sum(dtype=np.float64)),
                np.log(pairs / np.where(totals == 0, 1.0, totals)),
            )

    def tempered(self, temperature: float) -> "MarkovChain":
        """Return the chain of P(tags) ** (1 / temperature), normalized; sequences keep their order."""
        first, moves = self.first / temperature, self.moves / temperature
        totals = np.zeros(moves.shape[-1])  # log sum over all sequences after each tag
        for i in range(len(moves) - 1, -1, -1):
            extended = moves[i] + totals
            totals = np.logaddexp.reduce(extended, -1)
            moves[i] = extended - np.where(np.isneginf(totals), 0.0, totals)[:, None]
        if not len(first):
            return MarkovChain(first, moves)
        first = first + totals
        return MarkovChain(first - np.logaddexp.reduce(first), moves)

    def marginals(self) -> np.ndarray:
        """Return P(tag) of each word, (n, t) float64; (0, t) for an empty sentence."""
        words = [np.exp(self.first)]
        for moves in self.moves:
            words.append(words[-1] @ np.exp(moves))
        return np.array(words) if len(self.first) else np.zeros((0, self.moves.shape[-1]))

    def k_best(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the k most probable tag sequences (k, n) int32, and their log P (k,) in nats, descending.

        log P is float64. If fewer than k sequences are possible, log P of the rest is `-inf` and their tags
        are arbitrary. An empty sentence has one sequence, of log P 0. k must be at least 1, which is not
        checked.
        """
        t = len(self.first)
        if not t:  # an empty sentence has one tag sequence, the empty one
            return np.zeros((k, 0), np.int32), np.where(np.arange(k), -np.inf, 0.0)
        scores = self.first[None]  # (rank, t), log P of the best prefixes that end in each tag
        parents = []
        for moves in self.moves:
            extended = (scores[..., None] + moves).reshape(-1, t)  # (rank * previous tag, t)
            parents.append(_top_rows(extended, k))
            scores = np.take_along_axis(extended, parents[-1], 0)
        ends = _top_rows(scores.reshape(-1, 1), k)[:, 0]
        logs = np.full(k, -np.inf)
        logs[: len(ends)] = scores.reshape(-1)[ends]
        paths = np.zeros((k, len(self.moves) + 1), np.int32)
        rank, tag = np.divmod(ends, t)
        paths[: len(ends), -1] = tag
        for i in range(len(parents) - 1, -1, -1):
            rank, tag = np.divmod(parents[i][rank, tag], t)
            paths[: len(ends), i] = tag
        return paths, logs

    def path_log_probabilities(self, tags: np.ndarray) -> np.ndarray:
        """Return log P(tag | previous tag) (n,) in nats for tags (n,) int; log P(tag) for the first word.

        `-inf` if a tag cannot follow the one before it. (0,) for an empty sentence. Negative tags index from
        the end; that the number of tags is n is not checked.

        Raises:
            IndexError: if a tag is t or more.
        """
        moves = self.moves[np.arange(len(self.moves)), tags[:-1], tags[1:]]
        return np.concatenate([self.first[tags[:1]], moves])


def _top_rows(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the indices of the k highest scores of each column, descending.

    The shapes are (rows, columns) -> (min(k, rows), columns). Ties keep the order of the rows.
    """
    if k == 1:
        return np.argmax(scores, 0)[None]
    return np.argsort(-scores, 0, kind="stable")[:k]
