"""The methods that a single trained model and an ensemble of replicas have in common."""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Self

import numpy as np

from mlmt_jax.corpus.dataset import column_format
from mlmt_jax.metrics.calibration import Calibration
from mlmt_jax.metrics.spans import Scheme
from mlmt_jax.model import readers
from mlmt_jax.model.readers import Reader
from mlmt_jax.tagger.sentence_models import SentenceModel
from mlmt_jax.text.columns import ColumnFormat, Sentence
from mlmt_jax.text.decoded import RankedTags, TaggedSentence, TaggedText, TagWriter
from mlmt_jax.text.tokenizer import tokenise
from mlmt_jax.training.split_scores import SplitScore, calibrate_predictions, score_predictions


class SentenceTagger:
    """Tagging with the distribution of a sentence model.

    A tagger is immutable: several threads may use one.
    """

    def __init__(self, model: SentenceModel):
        """Prepare the tagger; the scheme of the tags that it returns is that of the model's training file."""
        self.model = model
        scheme = model.context.file_scheme
        self._writer = TagWriter(self.tag_names, scheme["scheme"], bare=scheme["bare"])

    def with_temperatures(self, temperatures: Mapping[str, float]) -> Self:
        """Return the tagger with temperatures of its probabilities, by task model; tags stay the same."""
        tagger = copy.copy(self)
        tagger.model = self.model.tempered(temperatures)
        return tagger

    @property
    def temperature(self) -> float:
        """The temperature of the probabilities, fitted on development data; 1 if there is none."""
        return self.model.temperatures.get(self.task, 1.0)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the run's task models, in the config's order; `for_task` takes one."""
        return tuple(task.name for task in self.model.context.config.tasks)

    @property
    def task(self) -> str:
        """The name of the task model that tags."""
        return self.model.context.task.name

    @property
    def tag_names(self) -> tuple[str, ...]:
        """The model's tags, in the order of their indices; BIOES for spans in files of any scheme."""
        return self.model.context.tags.names

    @property
    def characters(self) -> frozenset[str]:
        """The characters of the run's training data, of all its languages."""
        return frozenset(self.model.context.vocabulary.characters.characters)

    @property
    def scheme(self) -> Scheme:
        """The scheme of the tags that the tagger returns: that of the task's training file."""
        return self.model.context.file_scheme["scheme"]

    @property
    def column_format(self) -> ColumnFormat:
        """The format of the task's training file."""
        context = self.model.context
        return column_format(context.config.dataset(context.task.dataset))

    def tag(self, sentences: Iterable[Sequence[str]]) -> list[list[str]]:
        """Tag tokenized sentences.

        Args:
            sentences: the tokens of each sentence; an empty sentence gets no tags.

        Returns:
            A list for each sentence, in order, with one tag for each token, in the scheme of the task's
            training file. Ill-formed tags of a model without constraints are repaired.

        Raises:
            TypeError: if a sentence is a string, or a token is not one.
        """
        return [self._writer.tags(tags[:n]) for (tags,), n in self._read(readers.best_tags, sentences)]

    def tag_with_probabilities(self, sentences: Iterable[Sequence[str]]) -> list[TaggedSentence]:
        """Tag tokenized sentences, with the probabilities of tags, spans and whole tag sequences.

        All probabilities are exact under the model's CRF. That of a token's tag is the sum over all BIOES
        tags that the file's scheme writes alike. Arguments and Raises as in `tag`.

        Returns:
            For each sentence, in order, its tags, their probabilities, the predicted spans
            `tokens[start:end]` with their probabilities, and the log probability of the tag sequence in nats.
        """
        return [
            self._writer.with_probabilities(*(array[:n] for array in arrays))
            for arrays, n in self._read(readers.tags_and_probabilities, sentences)
        ]

    def n_best(self, sentences: Iterable[Sequence[str]], k: int) -> list[list[RankedTags]]:
        """Return the k most probable tag sequences of each sentence, the most probable first.

        The sequences differ in BIOES. Written in IO, which cannot separate adjacent spans of one type, two
        of them may be equal. Arguments and Raises as in `tag`.

        Returns:
            For each sentence k sequences with their log probabilities in nats, or all that the tag scheme
            allows if these are fewer; an empty sentence has one, without tags.

        Raises:
            ValueError: if k is below 1.
        """
        if k < 1:
            raise ValueError(f"k is {k}, expected 1 or more")
        return [
            [
                RankedTags(self._writer.tags(tags[:n]), float(log))
                for tags, log in zip(paths, logs, strict=True)
                if not np.isneginf(log)
            ]
            for (paths, logs), n in self._read(readers.NBest(k), sentences)
        ]

    def _read(
        self, reader: Reader, sentences: Iterable[Sequence[str]]
    ) -> Iterator[tuple[tuple[np.ndarray, ...], int]]:
        """Return an iterator over pairs, of the reader's arrays and the number of tokens of each sentence.

        The arrays are padded: cut their word axes to that number. The model runs before the first pair is
        returned.
        """
        sentences = list(sentences)
        return zip(self.model.read(reader, sentences), map(len, sentences), strict=True)

    def tag_text(self, text: str) -> TaggedText:
        """Tokenize and tag a sentence.

        Args:
            text: one sentence of plain text, not split further; `mlmt_jax.text.tokenizer` describes where
                tokens end. It may be empty.

        Returns:
            The tokens, the position in ``text`` of each as (start, end) in code points, and one tag for each.

        Raises:
            TypeError: if `text` is not a string.
        """
        if not isinstance(text, str):
            raise TypeError(f"got the text {text!r}; expected a string")
        tokens = tokenise(text)
        words = [token.text for token in tokens]
        [tags] = self.tag([words])
        return TaggedText(words, [(token.start, token.end) for token in tokens], tags)

    def evaluate(self, sentences: Sequence[Sentence]) -> SplitScore:
        """Score the tagger on labelled sentences.

        Args:
            sentences: with tags in BIOES if these are spans, as `mlmt_jax.corpus.dataset.bioes_sentences`
                returns them. A tag that the task does not know is an error of the tagger, and its sentence
                has no loss. Each sentence must have one tag for each token.

        Returns:
            The score, as fractions, and the mean loss in nats per sentence, NaN if no sentence has one. It
            has `by_words` if the run folder lists the words of the training data.

        Raises:
            ValueError: if a tag of spans is empty.
        """
        tokens, gold = [sentence.tokens for sentence in sentences], [sentence.tags for sentence in sentences]
        context = self.model.context
        predictions = self.model.read(readers.tags_and_losses, tokens, gold)
        return score_predictions(predictions, context.tags, sentences, context.training_words)

    def calibration(self, sentences: Sequence[Sentence]) -> Calibration:
        """Compute how well the probabilities of predicted spans match their accuracy, in ten bins.

        If the task's tags are no spans, the probabilities are those of the predicted tags of tokens. Without
        predictions the error is nan. Arguments as in `evaluate`.
        """
        tokens = [sentence.tokens for sentence in sentences]
        predictions = self.model.read(readers.tags_and_probabilities, tokens)
        return calibrate_predictions(predictions, self.model.context.tags, sentences)
