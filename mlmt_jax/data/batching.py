"""From encoded sentences to batches of few shapes; the order is a function of (seed, task, step)."""

import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mlmt_jax.data.shapes import choose_shapes, fit
from mlmt_jax.types import Batch

__all__ = ["Encoded", "TrainingBatches", "pad_batch", "sorted_batches"]

# In evaluation and tagging, sentences are padded to the next power of two of words from 16 on, and
# words to one of these numbers of characters. Training chooses its sizes from its data.
_SMALLEST_WORDS = 16
_CHARACTER_SIZES = (16, 32, 64)

# Independent random streams of one seed and name; the corpus draws samples from stream 1.
_ORDER_STREAM, _UNKNOWN_STREAM = 2, 3

# Sentences that differ by less than so many words may change places within an epoch's order of length.
_LENGTH_JITTER = 4.0


class Encoded(NamedTuple):
    """One sentence of n words as indices."""

    words: np.ndarray  # (n,) int32
    chars: np.ndarray  # (n, c) int32
    tags: np.ndarray  # (n,) int32, -1 for a tag the task does not know


def pad_batch(sentences: Sequence[Encoded], shape: tuple[int, int, int]) -> Batch:
    """Puts sentences into one batch of shape (rows, words, characters); rows left over have length 0."""
    rows, n, c = shape
    batch = Batch(
        words=np.zeros((rows, n), np.int32),
        chars=np.zeros((rows, n, c), np.int32),
        lengths=np.zeros((rows,), np.int32),
        tags=np.zeros((rows, n), np.int32),
    )
    for i, sentence in enumerate(sentences):
        words, characters = sentence.chars.shape
        batch.lengths[i] = words
        batch.words[i, :words] = sentence.words
        batch.chars[i, :words, :characters] = sentence.chars
        batch.tags[i, :words] = sentence.tags
    return batch


def sorted_batches(sentences: Sequence[Encoded], batch_size: int) -> Iterator[tuple[np.ndarray, Batch]]:
    """Every sentence once, batched by length: the indices of a batch's sentences, and the batch.

    Full batches have ``batch_size`` rows, the last one the next power of four that holds it, so that
    a single sentence does not pay for a whole batch.
    """
    order = np.argsort([len(s.words) for s in sentences], kind="stable")
    for first in range(0, len(order), batch_size):
        chosen = order[first : first + batch_size]
        batch = [sentences[i] for i in chosen]
        rows = min(batch_size, next(4**k for k in range(16) if 4**k >= len(batch)))
        words = max(_SMALLEST_WORDS, _power_of_two(max(len(s.words) for s in batch)))
        characters = max(s.chars.shape[1] for s in batch)
        yield chosen, pad_batch(batch, (rows, words, fit(characters, _CHARACTER_SIZES)))


def _power_of_two(size: int) -> int:
    return 1 << max(size - 1, 0).bit_length()


class TrainingBatches:
    """The training batches of one task model; batch ``step`` is a pure function of (seed, name, step).

    In each epoch every sentence is seen once. An epoch is cut into batches of nearly equal size, none
    larger than ``batch_size``, of sentences of about the same length, in a random order.

    Words and characters that occur once in the training data are replaced by the unknown ones with
    probability ``unknown_rate``, anew at each step, so that the unknown ones' embeddings are trained
    on what they stand for.
    """

    def __init__(
        self,
        name: str,
        sentences: Sequence[Encoded],
        batch_size: int,
        *,
        seed: int,
        rare_words: np.ndarray,  # (rows of the word table,) bool
        rare_characters: np.ndarray,  # (rows of the character table,) bool
        unknown_rate: float,
        expected_steps: float,  # how often the task is thought to be drawn; decides the padding
    ):
        self.batches_per_epoch = -(-len(sentences) // batch_size)
        # No batch of an even cut is larger: 40 sentences in batches of at most 19 need 14 rows.
        self.rows = -(-len(sentences) // self.batches_per_epoch)
        self._sentences = sentences
        self._lengths = np.array([len(s.words) for s in sentences])
        self._entropy = (seed, zlib.crc32(name.encode()))
        self._rare_words, self._rare_characters = rare_words, rare_characters
        self._unknown_rate = unknown_rate
        self._epoch = lru_cache(maxsize=2)(self._plan_epoch)
        first = [self._needed(plan) for plan in self._epoch(0)]
        self._word_sizes, self._character_sizes = choose_shapes(first, self.rows, expected_steps)

    @property
    def shapes(self) -> int:
        """How many shapes the batches may have: the programs that a run compiles for them, at most."""
        return len(self._word_sizes) * len(self._character_sizes)

    def indices(self, step: int) -> np.ndarray:
        """Which sentences the task's batch ``step`` (from 0) holds."""
        return self._epoch(step // self.batches_per_epoch)[step % self.batches_per_epoch]

    def batch(self, step: int) -> Batch:
        """The task's batch ``step`` (from 0)."""
        chosen = self.indices(step)
        words, characters = self._needed(chosen)
        shape = self.rows, fit(words, self._word_sizes), fit(characters, self._character_sizes)
        batch = pad_batch([self._sentences[i] for i in chosen], shape)
        if not self._unknown_rate:
            return batch
        random = np.random.default_rng((*self._entropy, _UNKNOWN_STREAM, step))
        words = self._rare_words[batch.words] & (random.random(batch.words.shape) < self._unknown_rate)
        rare = self._rare_characters[batch.chars]
        rare[rare] = random.random(int(rare.sum())) < self._unknown_rate
        return batch._replace(
            words=np.where(words, np.int32(0), batch.words), chars=np.where(rare, np.int32(1), batch.chars)
        )

    def _needed(self, chosen: np.ndarray) -> tuple[int, int]:
        own = [self._sentences[i].chars.shape for i in chosen]
        return max(n for n, _ in own), max(c for _, c in own)

    def _plan_epoch(self, epoch: int) -> list[np.ndarray]:
        random = np.random.default_rng((*self._entropy, _ORDER_STREAM, epoch))
        order = np.argsort(self._lengths + random.uniform(0.0, _LENGTH_JITTER, len(self._lengths)))
        batches = np.array_split(order, self.batches_per_epoch)
        return [batches[i] for i in random.permutation(len(batches))]
