"""The mean of several trained models of one task."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

import numpy as np

from mlmt_jax.batches.encode import encode_tags
from mlmt_jax.crf.markov import MarkovChain
from mlmt_jax.model import NBest, Reader, all_marginals, best_tags, tags_and_losses, tags_and_probabilities
from mlmt_jax.tagger.sentence_model import SentenceArrays, TaskContext, Tokens, TrainedModel
from mlmt_jax.text.tag_schemes import tags_of_task

# Marginals of neighbours that are in memory at one time, for the sentences of one call.
_MAX_MARGINALS = 1 << 23


class MeanModel(NamedTuple):
    """The Markov chain with the mean marginals of several models, a `SentenceModel`.

        P(tags) = P(tag_1) * prod_i P(tag_i, tag_i+1) / P(tag_i)

    Each P on the right is the mean of the members' marginals, and these are the marginals of the chain too.
    The chain of one member is that member's distribution. A tag that a member does not know has the
    probability 0 in it.
    """

    context: TaskContext
    members: Sequence[TrainedModel]

    def read(self, reader: Reader, sentences: Tokens, gold: Tokens | None = None) -> SentenceArrays:
        """Compute the arrays of a reader for each sentence, as `SentenceModel.read`."""
        names = self.context.tags.names
        tags = [None] * len(sentences) if gold is None else [encode_tags(names, row) for row in gold]
        sizes = np.cumsum([len(tokens) * len(names) ** 2 for tokens in sentences])
        arrays: SentenceArrays = []
        for _, group in groupby(range(len(sentences)), lambda i: sizes[i] // _MAX_MARGINALS):
            places = list(group)
            means = self._mean_marginals([sentences[i] for i in places])
            arrays += [read_marginals(reader, *mean, tags[i]) for i, mean in zip(places, means, strict=True)]
        return arrays

    def _mean_marginals(self, sentences: Tokens) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the mean marginals of words (n, t) and of neighbours (n - 1, t, t) of each sentence."""
        names, count = self.context.tags.names, len(self.members)
        t, lengths = len(names), [len(tokens) for tokens in sentences]
        means = [(np.zeros((n, t)), np.zeros((max(0, n - 1), t, t))) for n in lengths]
        for member in self.members:
            tags = [names.index(name) for name in member.context.tags.names]
            grid = np.ix_(tags, tags)
            for mean, marginals in zip(means, member.read(all_marginals, sentences), strict=True):
                (word_sum, pair_sum), (words, pairs) = mean, marginals
                word_sum[:, tags] += words[: len(word_sum)] / count
                pair_sum[:, *grid] += pairs[: len(pair_sum)] / count
        return means


def mean_model(members: Sequence[TrainedModel]) -> MeanModel:
    """Return the mean of models of one task. Each may know other words and tags.

    The mean knows the tags of all members. It tells training words from others if all members do.
    """
    context = members[0].context
    task, vocabulary = context.task, context.vocabulary
    names = tags_of_task(
        {tag for member in members for tag in member.context.tags.names}, spans=context.tags.are_spans
    )
    seen = {name: words for name, words in vocabulary.seen.items() if name != task.dataset}
    training_words = [member.context.training_words for member in members]
    if None not in training_words:
        seen[task.dataset] = frozenset().union(*training_words)
    vocabulary = replace(vocabulary, seen=seen, tags={**vocabulary.tags, task.task: names})
    return MeanModel(context._replace(vocabulary=vocabulary), tuple(members))


def read_marginals(
    reader: Reader, words: np.ndarray, pairs: np.ndarray, gold: np.ndarray | None
) -> tuple[np.ndarray, ...]:
    """Compute the arrays of a reader for one sentence from its marginals.

    The loss of a known gold tag is finite even if no member considers it possible: each conditional
    probability is at least the smallest normal float32.

    Args:
        reader: any of `mlmt_jax.model` but `all_marginals`.
        words: (n, t) marginals of words.
        pairs: (n - 1, t, t) marginals of neighbours.
        gold: (n,) int tags, -1 if unknown; for `tags_and_losses` alone.
    """
    chain = MarkovChain.from_marginals(words, pairs)
    if isinstance(reader, NBest):
        return chain.k_best(reader.k)
    tags = chain.k_best(1)[0][0]
    if reader is tags_and_probabilities:
        return tags, words, chain.path_log_probabilities(tags)
    if reader is tags_and_losses and gold is not None:
        if np.any(gold < 0):
            return tags, np.array(np.nan)
        smallest = np.log(np.finfo(np.float32).tiny)
        return tags, -np.sum(np.maximum(chain.path_log_probabilities(gold), smallest))
    assert reader is best_tags
    return (tags,)
