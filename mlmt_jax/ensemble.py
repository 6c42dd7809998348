"""All replicas of a run as one tagger."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlmt_jax import crf
from mlmt_jax.data.encoding import encode_tags
from mlmt_jax.data.tags import tags_of_task
from mlmt_jax.errors import RunError
from mlmt_jax.model import Reader, tag_marginals
from mlmt_jax.tagger import Tagger
from mlmt_jax.training.folder import RunFolder
from mlmt_jax.training.inference import read_scores

__all__ = ["Ensemble"]


class Ensemble(Tagger):
    """Tags with the mean of several taggers' marginals; ``Ensemble.of_run`` makes one.

        P(tags) = prod_i mean_m P_m(tag_i) / Z

    over the sequences that the tag scheme allows: tags, probabilities and further sequences are read off this
    distribution. A tag that a tagger does not know has the probability 0 there.
    """

    def __init__(self, members: Sequence[Tagger]):
        """``members``: for one task; each may know other words and tags."""
        first = members[0]
        task = first._task
        vocabulary = first._vocabulary
        every = {tag for member in members for tag in member.tag_names}
        names = tags_of_task(every, spans=vocabulary.spans[task.task])
        seen = [member._vocabulary.seen.get(task.dataset) for member in members]
        if all(words is not None for words in seen):
            union = frozenset(word for words in seen for word in words or ())
            vocabulary = replace(vocabulary, seen={**vocabulary.seen, task.dataset: union})
        vocabulary = replace(vocabulary, tags={**vocabulary.tags, task.task: names})
        super().__init__(first._config, vocabulary, first._schemes, {}, task.name)
        self._members = tuple(members)
        index = {name: i for i, name in enumerate(names)}
        self._places = [[index[name] for name in member.tag_names] for member in members]
        # Where the model leaves ill-formed sequences possible, so does the ensemble.
        scheme = self._models[self.task].crf.module.scheme
        free = np.zeros((len(names), len(names)), np.float32)
        self._chain = crf.constraints(names, scheme) if scheme else crf.Chain(free, free[0], free[0])

    @classmethod
    def of_run(
        cls, run: str | Path, task: str | None = None, vectors: str | Path | None = None
    ) -> "Ensemble":
        """Restores the best checkpoint of every replica of a run; arguments and Raises as ``Tagger.load``.

        Replicas that diverged are left out.

        Raises:
            RunError: where the run has no replicas.
        """
        folders = RunFolder(run).members()
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
        means = [np.zeros((len(tokens), len(self.tag_names)), np.float32) for tokens in sentences]
        for member, places in zip(self._members, self._places, strict=True):
            for mean, (own,) in zip(means, member._read(tag_marginals, sentences), strict=True):
                mean[:, places] += own[: len(mean)] / len(self._members)
        # No word becomes impossible: what all taggers exclude may be all that the scheme allows.
        scores = [np.log(np.maximum(mean, np.finfo(np.float32).tiny)) for mean in means]
        if gold is None:
            rows = [np.zeros(len(tokens), np.int32) for tokens in sentences]
        else:
            rows = [encode_tags(self.tag_names, tags) for tags in gold]
        return read_scores(read, self._chain, scores, rows, self._batch_size(paths))
