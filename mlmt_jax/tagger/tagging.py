"""The methods of taggers, for a single trained model and for an ensemble of replicas."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import jax
import numpy as np

from mlmt_jax.config import Config
from mlmt_jax.corpus.dataset import column_format
from mlmt_jax.corpus.vocabulary import Vocabulary
from mlmt_jax.errors import RunError
from mlmt_jax.exported import write_exported
from mlmt_jax.metrics.calibration import Calibration
from mlmt_jax.metrics.spans import Scheme
from mlmt_jax.model import readers
from mlmt_jax.model.build import build_model, init_params
from mlmt_jax.model.readers import Reader
from mlmt_jax.model.stablehlo import export_programs
from mlmt_jax.runs.checkpoints import load_best_params
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.replica_choice import choose_replica, usable_replicas
from mlmt_jax.tagger.sentence_models import Schemes, SentenceModel, TaskContext, TrainedModel, mean_model
from mlmt_jax.text.columns import ColumnFormat, Sentence
from mlmt_jax.text.decoded import RankedTags, TaggedSentence, TaggedText, TagWriter
from mlmt_jax.text.tokenizer import tokenise
from mlmt_jax.training.run_model import Inference
from mlmt_jax.training.split_scores import SplitScore, calibrate_predictions, score_predictions
from mlmt_jax.types import Params


class SentenceTagger:
    """Tagging with the distribution of a sentence model.

    A tagger is immutable: several threads may use one.
    """

    def __init__(self, model: SentenceModel):
        """Prepare the tagger; the scheme of the tags that it returns is that of the model's training file."""
        self.model = model
        scheme = model.context.file_scheme
        self._writer = TagWriter(self.tag_names, scheme["scheme"], bare=scheme["bare"])

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


class Tagger(SentenceTagger):
    """A tagger with one task model of a run; `Tagger.load` makes one."""

    model: TrainedModel

    def __init__(
        self,
        config: Config,
        vocabulary: Vocabulary,
        schemes: Schemes,
        params: Params,
        task: str | None = None,
    ):
        """Build the task model with trained parameters.

        Args:
            config: the run's config.
            vocabulary: the run's vocabulary.
            schemes: the tag schemes of the run's datasets, by dataset: "scheme" and "bare".
            params: the parameters of the run, by component; their shapes are not checked.
            task: the name of a task model of the run; None for the target.

        Raises:
            RunError: if the run has no such task model.
        """
        models = build_model(config, vocabulary.sizes).tasks
        name = config.target.name if task is None else task
        if name not in models:
            raise RunError(f"task {name!r} is not in the run; expected one of {', '.join(map(repr, models))}")
        context = TaskContext(config, vocabulary, schemes, config.task(name))
        super().__init__(TrainedModel(context, models[name], params, Inference(models[name], params)))

    @classmethod
    def load(
        cls,
        run: str | Path,
        task: str | None = None,
        vectors: str | Path | None = None,
        replica: int | None = None,
    ) -> "Tagger":
        """Restore the best checkpoint of a run folder, which has all that a tagger needs.

        If training diverged, a warning is printed to standard error.

        Args:
            run: the folder that training wrote.
            task: the name of a task model of the run; None for the target.
            vectors: a file with vectors of words that are out of the run's vocabulary, for this task's
                language and of the same training as the run's vectors. Such a word gets its vector from the
                file, or that of the word of the file to which it falls back.
            replica: the number of a replica, from 0; None for the best on the target's development data. The
                only number of a run without replicas is 0.

        Raises:
            RunError: if the folder holds no run, the run has no such task or replica or no checkpoint, or
                `vectors` are given and its word table did not start from vectors.
            DataError: if the vectors cannot be read, have another dimension or are of another training.
        """
        folder = choose_replica(RunFolder(run), replica)
        config = folder.config()
        if folder.divergence.exists():
            warning = "training diverged; the tagger uses the best checkpoint from before that"
            print(f"warning: {folder.path}: {warning}", file=sys.stderr)
        vocabulary, schemes = folder.vocabulary()
        model = build_model(config, vocabulary.sizes)
        shapes = jax.eval_shape(lambda key: init_params(model, key), jax.random.key(0))
        params = load_best_params(folder.checkpoints, folder.id, shapes)
        tagger = cls(config, vocabulary, schemes, params, task)
        if vectors is not None:
            vocabulary, params = tagger.model.extend_word_table(vectors)
            tagger = cls(config, vocabulary, schemes, params, task)
        return tagger

    def for_task(self, task: str) -> "Tagger":
        """Return the tagger of another task model of the same run. Both share the parameters.

        Words from `vectors` are known to the other task model if it has the same word table.

        Args:
            task: the name of the task model, one of `tasks`.

        Raises:
            RunError: if the run has no such task model.
        """
        context = self.model.context
        return Tagger(context.config, context.vocabulary, context.schemes, self.model.params, task)

    def export(self, path: str | Path) -> None:
        """Write the tagger as one file, for `mlmt_jax.exported.ExportedTagger`.

        The file holds StableHLO programs, parameters and vocabulary of this task model alone, with the words
        that `vectors` added. It runs on CPUs and NVIDIA GPUs, without the model's code. An existing file is
        replaced once the new one is complete.

        Args:
            path: the file; its folder must exist.

        Raises:
            RunError: if the file cannot be written.
        """
        context, vocabulary = self.model.context, self.model.context.vocabulary
        word_embed = context.task.model.word_embed
        words = {word_embed: vocabulary.words[word_embed]}
        tags, spans = {context.task.task: self.tag_names}, {context.task.task: context.tags.are_spans}
        about = {
            "task": self.task,
            "batch_size": context.config.training.eval_batch_size,
            **context.file_scheme,
            "vocabulary": Vocabulary(words, vocabulary.characters, tags, spans).as_json(),
        }
        programs, params = export_programs(self.model.task_model, self.model.params)
        write_exported(path, about, programs, [np.asarray(leaf) for leaf in params])


class Ensemble(SentenceTagger):
    """A tagger with the mean of several taggers' marginals (`MeanModel`); `Ensemble.load` makes one."""

    def __init__(self, members: Sequence[Tagger]):
        """Combine taggers for one task; each may know other words and tags.

        The scheme of the tags is that of the first member. That the members' tasks agree is not checked.

        Raises:
            ValueError: if there are no members.
        """
        if not members:
            raise ValueError("members: got none; expected at least one tagger")
        super().__init__(mean_model([member.model for member in members]))
        self.members = tuple(members)

    @classmethod
    def load(cls, run: str | Path, task: str | None = None, vectors: str | Path | None = None) -> "Ensemble":
        """Restore the best checkpoint of every replica of a run; arguments and Raises as in `Tagger.load`.

        Replicas that diverged are left out, unless all of them diverged; then those that were evaluated are
        used.

        Raises:
            RunError: if the run has no replicas, or one is missing or has no score.
        """
        folders = usable_replicas(RunFolder(run))
        return cls([Tagger.load(folder.path, task, vectors) for folder in folders])

    def for_task(self, task: str) -> "Ensemble":
        """Return the ensemble for another task model of the same run. Both share the parameters.

        Raises:
            RunError: if the run has no task model of that name.
        """
        return Ensemble([member.for_task(task) for member in self.members])
