"""A trained run, ready to tag."""

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from mlmt_jax.batches.encode import encode_sentences, encode_tags
from mlmt_jax.config import Config, EmbeddingConfig, TaskConfig
from mlmt_jax.corpus.corpora import Vocabulary
from mlmt_jax.corpus.dataset import Example, column_format
from mlmt_jax.corpus.vectors import Vectors, read_vectors
from mlmt_jax.corpus.vocabulary import WordVocab
from mlmt_jax.errors import DataError, RunError
from mlmt_jax.exported import write_exported
from mlmt_jax.metrics.calibration import Calibration
from mlmt_jax.metrics.spans import Scheme
from mlmt_jax.model import (
    NBest,
    Reader,
    best_tags,
    build_model,
    export_programs,
    init_params,
    tags_and_losses,
    tags_and_probabilities,
)
from mlmt_jax.runs.checkpoints import load_best_params
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.replica_choice import choose_replica
from mlmt_jax.text.columns import ColumnFormat
from mlmt_jax.text.decoded import RankedTags, TaggedSentence, TaggedText, TagWriter
from mlmt_jax.text.tokenizer import tokenise
from mlmt_jax.training.run_model import infer
from mlmt_jax.training.split_scores import SplitScore, calibrate_found, score_found
from mlmt_jax.types import Params

__all__ = ["Tagger"]

# Sequences that a batch reads, all its sentences together.
_MOST_PATHS = 1024

# Words by which a file's vectors are compared with the run's. Training moves few far, one in a hundred of
# the words of its data below a cosine of 0.92; but words that had no vector then started from random numbers,
# and so the nearest tenth decides. CBOW vectors of two languages have 0.5 to 0.75 there.
_COMPARED, _FEWEST_COMPARED = 1000, 20
_LEAST_ALIKE = 0.9


class Tagger:
    """Tags sentences with one task model of a run; ``Tagger.load`` makes one.

    Nothing changes a tagger once it is made: several threads may use one.
    """

    def __init__(
        self,
        config: Config,
        vocabulary: Vocabulary,
        schemes: dict[str, dict],
        params: Params,
        task: str | None = None,
    ):
        self._config, self._vocabulary, self._schemes, self._params = config, vocabulary, schemes, params
        self._models = build_model(config, vocabulary.sizes).tasks
        name = config.target.name if task is None else task
        if name not in self._models:
            raise RunError(
                f"task {name!r} is not one of the run; it has {', '.join(map(repr, self._models))}"
            )
        self._task = config.task(name)
        written = schemes[self._task.dataset]
        self._writer = TagWriter(self.tag_names, written["scheme"], bare=written["bare"])

    @classmethod
    def load(
        cls,
        run: str | Path,
        task: str | None = None,
        vectors: str | Path | None = None,
        replica: int | None = None,
    ) -> "Tagger":
        """Restores the best checkpoint of a run folder; nothing else needs to be there.

        Args:
            run: the folder that training wrote.
            task: the name of a task model of the run; the target where none is given.
            vectors: a file with vectors of words that the run does not know, for this task's language: of
                the same training as those of the run. Such a word takes its vector from there, or that of
                the word to which it falls back there.
            replica: of a run of several replicas, which one, from 0; the best on the target's development
                data where none is given.

        Raises:
            RunError: where the folder does not hold a run, the run has no such task or replica, or its word
                table did not start from vectors.
            DataError: where the vectors cannot be read, have another dimension or are of another training.
        """
        folder = choose_replica(RunFolder(run), replica)
        config = folder.config()
        if folder.divergence.exists():
            warning = "training diverged; it tags with its best checkpoint from before that"
            print(f"warning: {folder.path}: {warning}", file=sys.stderr)
        vocabulary, schemes = folder.vocabulary()
        model = build_model(config, vocabulary.sizes)
        like = jax.eval_shape(lambda key: init_params(model, key), jax.random.key(0))
        params = load_best_params(folder.checkpoints, folder.id, like)
        tagger = cls(config, vocabulary, schemes, params, task)
        return tagger if vectors is None else tagger._with_vectors(vectors)

    def _with_vectors(self, path: str | Path) -> "Tagger":
        """The tagger with rows behind its word table for the words that only a file of vectors knows."""
        spec = self._config.component(self._task.model.word_embed)
        assert isinstance(spec, EmbeddingConfig)
        if spec.file is None:
            raise RunError(
                f"{path}: the run's word table {spec.name!r} did not start from vectors;\n"
                "those of a file mean nothing to it"
            )
        known, table = self._vocabulary.words[spec.name], self._params[spec.name]["table"]
        new = _read_unknown(path, known, np.asarray(table))
        words = {spec.name: replace(known, more=WordVocab(tuple(new.words)))}
        vocabulary = replace(self._vocabulary, words={**self._vocabulary.words, **words})
        table = jnp.concatenate([table, new.matrix])
        params = {**self._params, spec.name: {"table": table}}
        return Tagger(self._config, vocabulary, self._schemes, params, self.task)

    def for_task(self, task: str) -> "Tagger":
        """The same run's tagger for another of its tasks; shares the parameters."""
        return Tagger(self._config, self._vocabulary, self._schemes, self._params, task)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the run's task models."""
        return tuple(self._models)

    @property
    def task(self) -> str:
        """The name of the task model that tags."""
        return self._task.name

    @property
    def tag_names(self) -> tuple[str, ...]:
        """The tags inside: BIOES for spans, whatever scheme the files have."""
        return self._vocabulary.tags[self._task.task]

    @property
    def characters(self) -> frozenset[str]:
        """The characters of the run's training data."""
        return frozenset(self._vocabulary.characters.characters)

    @property
    def scheme(self) -> Scheme:
        """The scheme in which tags leave: that of the task's training file."""
        return self._schemes[self._task.dataset]["scheme"]

    @property
    def column_format(self) -> ColumnFormat:
        """The format of the task's training file."""
        return column_format(self._config.dataset(self._task.dataset))

    def tag(self, sentences: Iterable[Sequence[str]]) -> list[list[str]]:
        """Tags tokenised sentences.

        Args:
            sentences: the tokens of each sentence; an empty sentence gets no tags.

        Returns:
            One tag a token, in the scheme of the task's training file.

        Raises:
            TypeError: a sentence that is a string, or a token that is none.
        """
        return [self._writer.tags(tags[:n]) for n, (tags,) in self._infer(best_tags, sentences)]

    def tag_with_probabilities(self, sentences: Iterable[Sequence[str]]) -> list[TaggedSentence]:
        """Tags tokenised sentences and says how probable tags, spans and whole sentences are.

        All probabilities are exact under the model's CRF. Arguments and Raises as in ``tag``.
        """
        found = self._infer(tags_and_probabilities, sentences)
        return [self._writer.with_probabilities(*(array[:n] for array in arrays)) for n, arrays in found]

    def n_best(self, sentences: Iterable[Sequence[str]], k: int) -> list[list[RankedTags]]:
        """The k most probable tag sequences of each sentence, the best first.

        They are different tags inside, in BIOES; IO, which cannot part adjacent spans of one type, may write
        two of them alike. Arguments and Raises as in ``tag``.

        Returns:
            For each sentence k sequences, or all that the tag scheme allows where these are fewer.

        Raises:
            ValueError: where k is below 1.
        """
        if k < 1:
            raise ValueError(f"k is {k}, expected 1 or more")
        return [
            [
                RankedTags(self._writer.tags(tags[:n]), float(log))
                for tags, log in zip(paths, logs, strict=True)
                if not np.isneginf(log)
            ]
            for n, (paths, logs) in self._infer(NBest(k), sentences, paths=k)
        ]

    def _infer(
        self, read: Reader, sentences: Iterable[Sequence[str]], paths: int = 1
    ) -> Iterator[tuple[int, tuple[np.ndarray, ...]]]:
        """Of each sentence its words and what a reader of so many ``paths`` gives, padded."""
        sentences = list(sentences)
        found = self._read(read, sentences, None, paths)
        return zip(map(len, sentences), found, strict=True)

    def _read(
        self,
        read: Reader,
        sentences: Sequence[Sequence[str]],
        gold: Sequence[Sequence[str]] | None = None,
        paths: int = 1,
    ) -> list[tuple[np.ndarray, ...]]:
        """What a reader of so many ``paths`` gives of each sentence, whose tags inside may be given."""
        contents = encode_sentences(self._vocabulary, self._task.model.word_embed, sentences)
        if gold is not None:
            contents = contents._replace(
                tags=encode_tags(self.tag_names, itertools.chain.from_iterable(gold))
            )
        size = self._batch_size(paths)
        return infer(self._models[self.task], self._params, read, contents, size)

    def _batch_size(self, paths: int) -> int:
        return min(self._config.training.eval_batch_size, max(1, _MOST_PATHS // paths))

    def tag_text(self, text: str) -> TaggedText:
        """Tokenises a sentence and tags it.

        Args:
            text: one sentence as it is written; ``mlmt_jax.text.tokenizer`` says where tokens end.

        Raises:
            TypeError: a text that is no string.
        """
        if not isinstance(text, str):
            raise TypeError(f"got the text {text!r}; expected a string")
        tokens = tokenise(text)
        words = [token.text for token in tokens]
        (tags,) = self.tag([words])
        return TaggedText(words, [(token.start, token.end) for token in tokens], tags)

    def export(self, path: str | Path) -> None:
        """Writes the tagger as one file that ``mlmt_jax.exported.ExportedTagger`` tags with.

        The file holds StableHLO programs, parameters and vocabulary; it runs on CPUs and NVIDIA GPUs, without
        the model's code. What was there before is replaced, once the new file is whole.

        Raises:
            RunError: where the file cannot be written.
        """
        own, vocabulary = self._task, self._vocabulary
        word_embed = own.model.word_embed
        about = {
            "task": self.task,
            "batch_size": self._config.training.eval_batch_size,
            **self._schemes[own.dataset],
            "vocabulary": Vocabulary(
                words={word_embed: vocabulary.words[word_embed]},
                characters=vocabulary.characters,
                tags={own.task: self.tag_names},
                spans={own.task: vocabulary.spans[own.task]},
            ).as_json(),
        }
        programs, params = export_programs(self._models[self.task], self._params)
        write_exported(path, about, programs, [np.asarray(leaf) for leaf in params])

    def evaluate(self, examples: Sequence[Example]) -> SplitScore:
        """Scores the tagger on labelled sentences, spans in BIOES.

        The score has ``by_words`` where the run tells which words its training data had.
        """
        task: TaskConfig = self._task
        return score_found(
            self._labelled(tags_and_losses, examples),
            self.tag_names,
            examples,
            spans=self._vocabulary.spans[task.task],
            seen=self._vocabulary.seen.get(task.dataset),
        )

    def calibration(self, examples: Sequence[Example]) -> Calibration:
        """Whether the probabilities of the spans, or of tokens where tags are not spans, can be believed."""
        found = self._labelled(tags_and_probabilities, examples)
        return calibrate_found(found, self.tag_names, examples, spans=self._vocabulary.spans[self._task.task])

    def _labelled(self, read: Reader, examples: Sequence[Example]) -> list[tuple[np.ndarray, ...]]:
        tokens, tags = [one.tokens for one in examples], [one.tags for one in examples]
        return self._read(read, tokens, tags)


def _read_unknown(path: str | Path, known: WordVocab, table: np.ndarray) -> Vectors:
    """The words of a file, and their vectors, of which a (rows, d) word table knows no form.

    Raises:
        DataError: where the vectors of words that both know are not alike.
    """
    common: dict[str, int] = {}  # rows of words that both know

    def skipped(word: str) -> bool:
        row = known.row(word)
        if 0 < row <= len(known.words) and known.words[row - 1] == word and len(common) < _COMPARED:
            common[word] = row
            return False
        return row > 0

    found, _ = read_vectors(path, table.shape[1], max_words=sys.maxsize, skip=skipped)
    is_new = np.array([word not in common for word in found.words], bool)
    if len(common) >= _FEWEST_COMPARED:
        alike = np.quantile(_cosines(table[list(common.values())], found.matrix[~is_new]), 0.9)
        if alike < _LEAST_ALIKE:
            raise DataError(
                f"{path}: its vectors are of another training than the run's: of {len(common)} words that "
                f"both know, nine in ten have a cosine of at most {alike:.2f};\n"
                f"expected one in ten with at least {_LEAST_ALIKE}"
            )
    return Vectors(list(itertools.compress(found.words, is_new)), found.matrix[is_new])


def _cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n,) of the rows of two (n, d) arrays."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (one * other).sum(1) / np.where(lengths > 0, lengths, 1)
