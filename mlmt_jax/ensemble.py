"""All replicas of a run as one tagger."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np

from mlmt_jax.batches.encode import encode_tags
from mlmt_jax.crf.markov import MarkovChain
from mlmt_jax.errors import RunError
from mlmt_jax.model import (
    NBest,
    Reader,
    all_marginals,
    best_tags,
    tags_and_losses,
    tags_and_probabilities,
)
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.replica_choice import usable_replicas
from mlmt_jax.tagger import Tagger
from mlmt_jax.text.tag_schemes import tags_of_task

__all__ = ["Ensemble"]

_HELD = 1 << 23  # marginals of neighbours that are held together, in sentences of one call


class Ensemble(Tagger):
    """Tags with the mean of several taggers' marginals; ``Ensemble.load`` makes one.

        P(tags) = P(tag_1) * prod_i P(tag_i, tag_i+1) / P(tag_i)

    where each P on the right is the mean of the taggers' own marginals, and so is what this distribution says
    of single tags and of neighbours. Of a single tagger it is that tagger's. A tag that a tagger does not
    know has the probability 0 there.
    """

    def __init__(self, members: Sequence[Tagger]):
        """``members``: at least one, for one task; each may know other words and tags.

        Raises:
            ValueError: where there are none.
        """
        if not members:
            raise ValueError("members: got none; expected at least one tagger")
        first = members[0]
        task = first._task
        vocabulary = first._vocabulary
        every = {tag for member in members for tag in member.tag_names}
        names = tags_of_task(every, spans=vocabulary.spans[task.task])
        seen = [member._vocabulary.seen.get(task.dataset) for member in members]
        known = {name: words for name, words in vocabulary.seen.items() if name != task.dataset}
        if all(words is not None for words in seen):
            known[task.dataset] = frozenset(word for words in seen for word in words or ())
        vocabulary = replace(vocabulary, seen=known, tags={**vocabulary.tags, task.task: names})
        super().__init__(first._config, vocabulary, first._schemes, {}, task.name)
        self._members = tuple(members)
        index = {name: i for i, name in enumerate(names)}
        self._places = [[index[name] for name in member.tag_names] for member in members]

    @classmethod
    def load(
        cls,
        run: str | Path,
        task: str | None = None,
        vectors: str | Path | None = None,
        replica: int | None = None,
    ) -> "Ensemble":
        """Restores the best checkpoint of every replica of a run; arguments and Raises as ``Tagger.load``.

        Replicas that diverged are left out.

        Raises:
            RunError: where the run has no replicas, one is missing, or one is asked for.
        """
        if replica is not None:
            raise RunError(f"replica: got {replica}; an ensemble is of all replicas, expected None")
        folders = usable_replicas(RunFolder(run))
        return cls([Tagger.load(folder.path, task, vectors) for folder in folders])

    def for_task(self, task: str) -> "Ensemble":
        """The same replicas for another of the run's tasks; shares the parameters."""
        return Ensemble([member.for_task(task) for member in self._members])

    def export(self, path: str | Path) -> None:
        """Is refused.

        Raises:
            RunError: always; one replica can be exported.
        """
        raise RunError(f"{path}: an ensemble is several models; export one replica")

    def _read(
        self,
        read: Reader,
        sentences: Sequence[Sequence[str]],
        gold: Sequence[Sequence[str]] | None = None,
        paths: int = 1,
    ) -> list[tuple[np.ndarray, ...]]:
        rows = [None] * len(sentences) if gold is None else [encode_tags(self.tag_names, own) for own in gold]
        found: list[tuple[np.ndarray, ...]] = []
        sizes = np.cumsum([len(tokens) * len(self.tag_names) ** 2 for tokens in sentences])
        for _, places in groupby(range(len(sentences)), lambda i: sizes[i] // _HELD):
            own = list(places)
            chosen = slice(own[0], own[-1] + 1)
            means = self._mean_marginals(sentences[chosen])
            found += [_read_off(read, *mean, row) for mean, row in zip(means, rows[chosen], strict=True)]
        return found

    def _mean_marginals(self, sentences: Sequence[Sequence[str]]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each sentence (n, t) and (n - 1, t, t): the marginals of words and of neighbours."""
        t = len(self.tag_names)
        sizes = [len(tokens) for tokens in sentences]
        means = [(np.zeros((n, t)), np.zeros((max(0, n - 1), t, t))) for n in sizes]
        for member, places in zip(self._members, self._places, strict=True):
            grid = np.ix_(places, places)
            for (words, pairs), own in zip(means, member._read(all_marginals, sentences), strict=True):
                own_words, own_pairs = own
                words[:, places] += own_words[: len(words)] / len(self._members)
                pairs[:, *grid] += own_pairs[: len(pairs)] / len(self._members)
        return means


def _read_off(
    read: Reader, words: np.ndarray, pairs: np.ndarray, gold: np.ndarray | None
) -> tuple[np.ndarray, ...]:
    """What a reader of ``model.decoding`` gives of one sentence, off its mean marginals."""
    chain = MarkovChain.of_marginals(words, pairs)
    if isinstance(read, NBest):
        return chain.k_best(read.k)
    paths, _ = chain.k_best(1)
    if read is tags_and_probabilities:
        return paths[0], words, chain.path_log_probabilities(paths[0])
    if read is tags_and_losses:
        assert gold is not None
        if np.any(gold < 0):
            return paths[0], np.array(np.nan)
        # Finite, though no tagger may hold the gold tags for possible.
        steps = np.maximum(chain.path_log_probabilities(gold), np.log(np.finfo(np.float32).tiny))
        return paths[0], -np.sum(steps)
    assert read is best_tags
    return (paths[0],)
