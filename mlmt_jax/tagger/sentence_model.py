"""Models of the tags of sentences: their interface, and one trained task model."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np

from mlmt_jax.batches.encode import encode_sentences, encode_tags
from mlmt_jax.config import Config, EmbeddingConfig, TaskConfig
from mlmt_jax.corpus.corpora import Vocabulary
from mlmt_jax.corpus.oov_vectors import read_oov_vectors
from mlmt_jax.corpus.vocabulary import WordVocab
from mlmt_jax.errors import RunError
from mlmt_jax.model import NBest, Reader, TaskModel
from mlmt_jax.training.run_model import infer
from mlmt_jax.training.split_scores import TaskTags
from mlmt_jax.types import Params

# Tag sequences that one batch decodes: k of each sentence. Memory grows with their number.
_MAX_PATHS = 1024

#: By dataset: the `scheme` of its files, and `bare`, true if they write IO tags without "I-".
Schemes = Mapping[str, Mapping[str, Any]]
#: The tokens, or the tags, of sentences.
Tokens = Sequence[Sequence[str]]
#: One tuple of arrays a sentence. A word axis of length n may be padded at its end.
SentenceArrays = list[tuple[np.ndarray, ...]]


class TaskContext(NamedTuple):
    """A task model of a run, without its parameters."""

    config: Config
    vocabulary: Vocabulary
    schemes: Schemes
    task: TaskConfig

    @property
    def tags(self) -> TaskTags:
        """The tags of the task."""
        return TaskTags(self.vocabulary.tags[self.task.task], self.vocabulary.spans[self.task.task])

    @property
    def file_scheme(self) -> Mapping[str, Any]:
        """The entry of `schemes` for the task's dataset."""
        return self.schemes[self.task.dataset]

    @property
    def training_words(self) -> frozenset[str] | None:
        """The words of the training data; None if the run is older than their list in the vocabulary."""
        return self.vocabulary.seen.get(self.task.dataset)


class SentenceModel(Protocol):
    """A probability distribution over the tag sequences of sentences."""

    @property
    def context(self) -> TaskContext:
        """The task model whose vocabulary and tags the distribution uses."""

    def read(self, reader: Reader, sentences: Tokens, gold: Tokens | None = None) -> SentenceArrays:
        """Compute the arrays of a reader of `mlmt_jax.model` for each sentence.

        Args:
            reader: what to compute, such as `best_tags`.
            sentences: their tokens.
            gold: their tags for readers of losses, in BIOES if tags are spans.

        Raises:
            TypeError: if a sentence is a string, or a token is not one.
        """


class TrainedModel(NamedTuple):
    """The distribution of one task model's CRF, a `SentenceModel`."""

    context: TaskContext
    task_model: TaskModel
    params: Params

    def read(self, reader: Reader, sentences: Tokens, gold: Tokens | None = None) -> SentenceArrays:
        """Compute the arrays of a reader for each sentence, as `SentenceModel.read`."""
        context = self.context
        contents = encode_sentences(context.vocabulary, context.task.model.word_embed, sentences)
        if gold is not None:
            tags = encode_tags(context.tags.names, itertools.chain.from_iterable(gold))
            contents = contents._replace(tags=tags)
        paths = reader.k if isinstance(reader, NBest) else 1
        batch_size = min(context.config.training.eval_batch_size, max(1, _MAX_PATHS // paths))
        return infer(self.task_model, self.params, reader, contents, batch_size)

    def extend_word_table(self, path: str | Path) -> tuple[Vocabulary, Params]:
        """Return vocabulary and parameters with the out-of-vocabulary words of a vector file.

        Each such word of the file becomes a further row of the word table, with its vector.

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
        vectors = read_oov_vectors(path, known, np.asarray(table))
        words = replace(known, more=WordVocab(tuple(vectors.words)))
        vocabulary = replace(vocabulary, words={**vocabulary.words, spec.name: words})
        return vocabulary, {**self.params, spec.name: {"table": jnp.concatenate([table, vectors.matrix])}}
