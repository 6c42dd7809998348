"""The training batches of one task model, in an order that is a pure function of (seed, task, step)."""

import zlib
from collections.abc import Iterator
from copy import copy
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np

from mlmt_jax.batches.encoded_sentences import EncodedSentences, from_spellings
from mlmt_jax.batches.packing import assemble, batch_needs
from mlmt_jax.batches.shapes import Needs, Padding, TaskNeeds, choose_padding, fit
from mlmt_jax.corpus import random_streams as streams
from mlmt_jax.types import Batch

# Sentences that differ by less than so many words may change places within an epoch's order of length.
_LENGTH_JITTER = 4.0


class OovReplacement(NamedTuple):
    """The replacement of rare words and characters by the OOV ones, which trains the embeddings of these."""

    rate: float  # probability of each occurrence, drawn anew at each step
    rare_words: np.ndarray  # (rows of the word table,) bool
    rare_characters: np.ndarray  # (rows of the character table,) bool


class TrainingBatches:
    """The training batches of one task model; batch ``step`` is a pure function of (seed, name, step).

    Each epoch contains every sentence once. It is cut into batches of nearly equal size, none larger than
    ``batch_size``, of sentences of similar length, in a random order.
    """

    def __init__(
        self,
        name: str,
        sentences: EncodedSentences,
        batch_size: int,
        seed: int,
        oov: OovReplacement,
        expected_steps: float,
    ):
        """Keep the sentences of the task model ``name``.

        Args:
            name: of the task model; the random streams of two task models differ.
            sentences: all training sentences, at least one.
            batch_size: the largest number of sentences of a batch, at least 1. Batches are cut evenly, so
                that all may be smaller.
            seed: of the run.
            oov: replacement of rare words and characters.
            expected_steps: how often the task is likely to be drawn; the padding depends on it.
        """
        self.batches_per_epoch = -(-len(sentences.lengths) // batch_size)
        # No batch of an even cut is larger: 40 sentences in batches of at most 19 need 14 rows.
        self.rows = -(-len(sentences.lengths) // self.batches_per_epoch)
        self._expected_steps = expected_steps
        self._sentences, self._bounds = sentences, sentences.bounds
        self._seed, self._name_hash, self._oov = seed, zlib.crc32(name.encode()), oov
        self._epochs: dict[int, list[np.ndarray]] = {}

    @cached_property
    def needs(self) -> TaskNeeds:
        """The needs of the batches, before any replacement by OOV words."""
        sizes = np.diff(self._sentences.words.segment_ends, prepend=0)[self._sentences.word_ids]
        chars = np.array([sizes[start:end].sum() for start, end in self._bounds])
        lengths = np.sort(self._sentences.lengths)[::-1][: self.rows]
        most = Needs(lengths, int(lengths.sum()), int(np.sort(chars)[::-1][: self.rows].sum()))
        batches = [batch_needs(self._selected(indices), self.rows) for indices in self._epoch(0)]
        return TaskNeeds(batches, most, self._expected_steps)

    @cached_property
    def padding(self) -> Padding:
        """The sizes to which the batches are padded: by default those that suit this task model alone."""
        return choose_padding([self.needs])

    def padded(self, padding: Padding) -> Self:
        """Return the same batches, padded to other sizes."""
        batches = copy(self)
        batches.padding = padding
        return batches

    def indices(self, step: int) -> np.ndarray:
        """Return the indices of the sentences of the task's batch ``step`` (from 0)."""
        return self._epoch(step // self.batches_per_epoch)[step % self.batches_per_epoch]

    def batch(self, step: int) -> Batch:
        """Assemble the task's batch ``step`` (from 0)."""
        sentences, (rows, shapes) = self.sentences(step), self.padding
        return assemble(sentences, rows, fit(batch_needs(sentences, rows).shape(rows), shapes))

    def examples(self) -> Iterator[Batch]:
        """Yield a batch without sentences of each shape."""
        for shape in self.padding.shapes:
            yield assemble(self._selected(np.array([], int)), self.padding.rows, shape)

    def sentences(self, step: int) -> EncodedSentences:
        """Return the sentences of the task's batch ``step``, with its OOV replacements."""
        return self._selected(self.indices(step), step)

    def _selected(self, indices: np.ndarray, step: int | None = None) -> EncodedSentences:
        """Return some sentences with distinct words of their own; with ``step``, with OOV replacements."""
        sentences = self._sentences.select([self._bounds[i] for i in indices])
        spellings = sentences.spellings()
        if step is not None and self._oov.rate:
            self._replace_rare(spellings, sentences.bounds, step)
        return from_spellings(spellings, sentences.lengths, sentences.tags)

    def _replace_rare(self, spellings: np.ndarray, bounds: list[tuple[int, int]], step: int) -> None:
        """Replace rare words by row 0 and rare characters by row 1, in place, sentence by sentence."""
        random = np.random.default_rng((self._seed, self._name_hash, streams.UNKNOWN, step))
        rate, rare_words, rare_characters = self._oov
        for start, end in bounds:
            rows, chars = spellings[start:end, :1], spellings[start:end, 1:]
            for ids, is_rare, replacement in ((rows, rare_words, 0), (chars, rare_characters, 1)):
                rare = np.flatnonzero(is_rare[ids])
                ids.flat[rare[random.random(len(rare)) < rate]] = replacement

    def _epoch(self, epoch: int) -> list[np.ndarray]:
        """Return the indices of the sentences of each batch of an epoch."""
        if epoch not in self._epochs:
            random = np.random.default_rng((self._seed, self._name_hash, streams.SENTENCE_ORDER, epoch))
            lengths = self._sentences.lengths
            order = np.argsort(lengths + random.uniform(0.0, _LENGTH_JITTER, len(lengths)))
            batches = np.array_split(order, self.batches_per_epoch)
            # The order of short and long batches does not depend on the seed: replicas share shapes.
            turns = np.random.default_rng((self._name_hash, streams.BATCH_ORDER, epoch)).permutation(
                len(batches)
            )
            # The last epoch is kept as well: losses are read some steps late.
            last = dict(list(self._epochs.items())[-1:])
            self._epochs = {**last, epoch: [batches[i] for i in turns]}
        return self._epochs[epoch]
