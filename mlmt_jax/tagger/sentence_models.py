"""Models of the tags of sentences: one trained task model, or the mean of several."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np

from mlmt_jax.batches.encode import encode_sentences, encode_tags
from mlmt_jax.config import Config, EmbeddingConfig, TaskConfig
from mlmt_jax.corpus.oov_vectors import read_oov_vectors
from mlmt_jax.corpus.vocabulary import Vocabulary, WordVocab
from mlmt_jax.crf.markov import MarkovChain
from mlmt_jax.errors import RunError
from mlmt_jax.model import readers
from mlmt_jax.model.readers import NBest, Reader
from mlmt_jax.model.task_model import TaskModel
from mlmt_jax.text.tag_schemes import tags_of_task
from mlmt_jax.training.run_model import Inference
from mlmt_jax.training.split_scores import TaskTags
from mlmt_jax.types import Params

# Tag sequences that one batch decodes: k of each sentence. Memory grows with their number.
_MAX_PATHS = 1024
# Marginals of neighbours that an ensemble has in memory at one time, for the sentences of one call.
_MAX_MARGINALS = 1 << 23

#: By dataset: the `scheme` of its files, and `bare`, true if they write IO tags without "I-".
Schemes = Mapping[str, Mapping[str, Any]]
#: The tokens, or the tags, of sentences.
Tokens = Sequence[Sequence[str]]
#: One tuple of arrays a sentence. A word axis of length n may be padded at its end.
SentenceArrays = list[tuple[np.ndarray, ...]]


class TaskContext(NamedTuple):
    """A task model of a run without its parameters: configs, vocabulary and tag schemes."""

    config: Config
    vocabulary: Vocabulary
    schemes: Schemes
    task: TaskConfig

    @property
    def tags(self) -> TaskTags:
        """The tags of the task: their names by index, and True if they are BIOES spans."""
        return TaskTags(self.vocabulary.tags[self.task.task], self.vocabulary.spans[self.task.task])

    @property
    def file_scheme(self) -> Mapping[str, Any]:
        """The entry of `schemes` for the task's dataset, with the keys "scheme" and "bare"."""
        return self.schemes[self.task.dataset]

    @property
    def training_words(self) -> frozenset[str] | None:
        """The words of the training data; None if the run is older than their list in the vocabulary."""
        return self.vocabulary.training_words.get(self.task.dataset)


class SentenceModel(Protocol):
    """A probability distribution over the tag sequences of sentences."""

    @property
    def temperatures(self) -> Mapping[str, float]:
        """The temperatures of the probabilities, by task model; 1 if missing."""
        ...

    @property
    def context(self) -> TaskContext:
        """The task model whose vocabulary and tags the distribution uses."""
        ...

    def tempered(self, temperatures: Mapping[str, float]) -> "SentenceModel":
        """Return the distribution with other temperatures, by task model."""
        ...

    def read(self, reader: Reader, sentences: Tokens, gold: Tokens | None = None) -> SentenceArrays:
        """Compute the arrays of a reader of `mlmt_jax.model.readers` for each sentence.

        Args:
            reader: what to compute, such as `best_tags`.
            sentences: their tokens; none, and sentences without tokens, are allowed.
            gold: their tags for `tags_and_losses`, in BIOES if tags are spans. A tag that the task does not
                know makes the sentence's loss NaN. That there is one tag for each token is not checked.

        Returns:
            For each sentence, in order, the reader's arrays as NumPy arrays without a batch axis. Word axes
            may be padded at the end: cut them to the number of tokens.

        Raises:
            TypeError: if a sentence is a string, or a token is not one.
        """
        ...


class TrainedModel(NamedTuple):
    """The distribution of one task model's CRF, a `SentenceModel`."""

    context: TaskContext
    task_model: TaskModel
    params: Params
    inference: Inference
    temperatures: Mapping[str, float] = MappingProxyType({})  # of probabilities, by task model; 1 if missing

    def tempered(self, temperatures: Mapping[str, float]) -> "TrainedModel":
        """Return the distribution with the temperatures of the run's task models."""
        return self._replace(temperatures=temperatures)

    def read(self, reader: Reader, sentences: Tokens, gold: Tokens | None = None) -> SentenceArrays:
        """Compute the arrays of a reader for each sentence, as `SentenceModel.read`; word axes are padded.

        Without `gold`, the losses of `tags_and_losses` are those of the tag 0 at every word.
        """
        context = self.context
        encoded = encode_sentences(context.vocabulary, context.task.model.word_embed, sentences)
        if gold is not None:
            encoded = encoded._replace(tags=encode_tags(context.tags.names, chain.from_iterable(gold)))
        paths = reader.k if isinstance(reader, NBest) else 1
        batch_size = min(context.config.training.eval_batch_size, max(1, _MAX_PATHS // paths))
        temperature = self.temperatures.get(context.task.name, 1.0)
        return self.inference.run(reader, encoded, batch_size, temperature)

    def extend_word_table(self, path: str | Path) -> tuple[Vocabulary, Params]:
        """Return vocabulary and parameters with the out-of-vocabulary words of a vector file.

        Each such word of the file becomes a further row of the word table, with its vector. The model itself
        is not changed; all other parameters are shared with it.

        Args:
            path: a vector file of the same training as the vectors from which the word table started.

        Raises:
            RunError: if the word table did not start from vectors.
            DataError: if the vectors cannot be read, have another dimension or are of another training.
        """
        config, vocabulary, _, task = self.context
        spec = config.component(task.model.word_embed)
        assert isinstance(spec, EmbeddingConfig)
        if spec.file is None:
            raise RunError(
                f"{path}: the run's word table {spec.name!r} did not start from vectors;\n"
                "expected a run whose word table did"
            )
        known, table = vocabulary.words[spec.name], self.params[spec.name]["table"]
        rotation = vocabulary.rotations.get(spec.name)
        vectors = read_oov_vectors(
            path, known, np.asarray(table), None if rotation is None else np.array(rotation, np.float32)
        )
        words = replace(known, extension=WordVocab(tuple(vectors.words)))
        vocabulary = replace(vocabulary, words={**vocabulary.words, spec.name: words})
        return vocabulary, {**self.params, spec.name: {"table": jnp.concatenate([table, vectors.matrix])}}


class MeanModel(NamedTuple):
    """The Markov chain with the mean marginals of several models, a `SentenceModel`.

        P(tags) = P(tag_1) * prod_i P(tag_i, tag_i+1) / P(tag_i)

    Each P on the right is the mean of the members' marginals, and these are the marginals of the chain too.
    The chain of one member is that member's distribution. A tag that a member does not know has the
    probability 0 in it.
    """

    context: TaskContext
    members: Sequence[TrainedModel]
    temperatures: Mapping[str, float] = MappingProxyType({})  # of the mean, by task model; 1 if missing

    def tempered(self, temperatures: Mapping[str, float]) -> "MeanModel":
        """Return the distribution with the temperatures of the mean; those of the members are not used."""
        return self._replace(temperatures=temperatures)

    def read(self, reader: Reader, sentences: Tokens, gold: Tokens | None = None) -> SentenceArrays:
        """Compute the arrays of a reader for each sentence, as `SentenceModel.read`, without padding.

        Any reader but `all_marginals`. Time and memory grow with the square of the number of tags.

        Raises:
            AssertionError: for another reader, or for `tags_and_losses` without `gold`.
            TypeError: if a sentence is a string, or a token is not one.
        """
        names = self.context.tags.names
        tags = [None] * len(sentences) if gold is None else [encode_tags(names, row) for row in gold]
        sizes = np.cumsum([len(tokens) * len(names) ** 2 for tokens in sentences])
        temperature = self.temperatures.get(self.context.task.name, 1.0)
        arrays: SentenceArrays = []
        for _, group in groupby(range(len(sentences)), lambda i: sizes[i] // _MAX_MARGINALS):
            places = list(group)
            means = self._mean_marginals([sentences[i] for i in places])
            arrays += [
                read_marginals(reader, *mean, tags[i], temperature)
                for i, mean in zip(places, means, strict=True)
            ]
        return arrays

    def _mean_marginals(self, sentences: Tokens) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the mean marginals of words (n, t) and of neighbours (n - 1, t, t) of each sentence.

        They are float64. Tags are those of `context`; a tag that a member lacks has the probability 0 in it.
        An empty sentence has (0, t) and (0, t, t).
        """
        names, count = self.context.tags.names, len(self.members)
        t, lengths = len(names), [len(tokens) for tokens in sentences]
        means = [(np.zeros((n, t)), np.zeros((max(0, n - 1), t, t))) for n in lengths]
        for member in self.members:
            tags = [names.index(name) for name in member.context.tags.names]
            grid = np.ix_(tags, tags)
            for mean, marginals in zip(means, member.read(readers.all_marginals, sentences), strict=True):
                (word_sum, pair_sum), (words, pairs) = mean, marginals
                word_sum[:, tags] += words[: len(word_sum)] / count
                pair_sum[:, *grid] += pairs[: len(pair_sum)] / count
        return means


def mean_model(members: Sequence[TrainedModel]) -> MeanModel:
    """Return the mean of models of one task. Each may know other words and tags.

    The mean knows the tags of all members. It tells training words from others if all members do. Config and
    file scheme are those of the first member; that the members' tasks agree is not checked.

    Args:
        members: at least one model; otherwise an IndexError is raised.
    """
    context = members[0].context
    task, vocabulary = context.task, context.vocabulary
    known_tags = {tag for member in members for tag in member.context.tags.names}
    names = tags_of_task(known_tags, spans=context.tags.are_spans)
    words_by_dataset = dict(vocabulary.training_words)
    words_by_dataset.pop(task.dataset, None)
    training_words = [words for member in members if (words := member.context.training_words) is not None]
    if len(training_words) == len(members):
        words_by_dataset[task.dataset] = frozenset().union(*training_words)
    tags = {**vocabulary.tags, task.task: names}
    vocabulary = replace(vocabulary, training_words=words_by_dataset, tags=tags)
    return MeanModel(context._replace(vocabulary=vocabulary), tuple(members))


def read_marginals(
    reader: Reader, words: np.ndarray, pairs: np.ndarray, gold: np.ndarray | None, temperature: float = 1.0
) -> tuple[np.ndarray, ...]:
    """Compute the arrays of a reader for one sentence from its marginals.

    The loss of a known gold tag is finite even if no member considers it possible: each conditional
    probability is at least the smallest normal float32.

    Args:
        reader: any of `mlmt_jax.model.readers` but `all_marginals`.
        words: (n, t) marginals of words.
        pairs: (n - 1, t, t) marginals of neighbours, [word, from, to].
        gold: (n,) int tags, -1 if unknown; for `tags_and_losses` and `losses_by_temperature`.
        temperature: that of the probabilities. Tags and losses do not depend on it.

    Returns:
        For `NBest` the tags (k, n) int32 and their log P (k,) nats, `-inf` if there are fewer than k.
        Otherwise the best tags (n,) int32, followed for `tags_and_probabilities` by `words` and log P(tag |
        previous tag) (n,) nats, and for `tags_and_losses` by the loss () in nats, NaN if a gold tag is
        unknown. For `losses_by_temperature` the losses (temperatures,) alone.

    Raises:
        AssertionError: for another reader, or for `tags_and_losses` without `gold`.
    """
    tag_chain = MarkovChain.from_marginals(words, pairs)
    tempered = tag_chain if temperature == 1.0 else tag_chain.tempered(temperature)
    if isinstance(reader, NBest):
        paths, logs = tag_chain.k_best(reader.k)
        if tempered is not tag_chain:
            totals = np.array([tempered.path_log_probabilities(path).sum() for path in paths])
            logs = np.where(np.isneginf(logs), logs, totals)
        return paths, logs
    if reader is readers.losses_by_temperature and gold is not None:
        return (np.array([_loss(tag_chain.tempered(t), gold) for t in readers.TEMPERATURES]),)
    tags = tag_chain.k_best(1)[0][0]
    if reader is readers.tags_and_probabilities:
        marginals = words if tempered is tag_chain else tempered.marginals()
        return tags, marginals, tempered.path_log_probabilities(tags)
    if reader is readers.tags_and_losses and gold is not None:
        return tags, _loss(tag_chain, gold)
    assert reader is readers.best_tags
    return (tags,)


def _loss(tag_chain: MarkovChain, gold: np.ndarray) -> np.ndarray:
    """Return the loss () of gold tags (n,) in nats; NaN if one is -1."""
    if np.any(gold < 0):
        return np.array(np.nan)
    smallest = np.log(np.finfo(np.float32).tiny)
    return -np.sum(np.maximum(tag_chain.path_log_probabilities(gold), smallest))
