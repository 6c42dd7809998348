"""From encoded sentences to batches of few shapes; the order is a function of (seed, task, step)."""

import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from mlmt_jax.data.shapes import PaddedSizes, choose_shapes, count_shapes, fit
from mlmt_jax.types import Batch

__all__ = ["Encoded", "TrainingBatches", "pad_batch", "padded_rows", "padded_words", "sorted_batches"]

# In evaluation and tagging, sentences are padded to the next power of two of words from 16 on, and
# words to one of these numbers of characters. Training chooses its sizes from its data.
_SMALLEST_WORDS = 16
_CHARACTER_SIZES = (16, 32, 64)

# Independent random streams of one seed and name; the corpus draws samples from stream 1.
_ORDER_STREAM, _UNKNOWN_STREAM, _TURN_STREAM = 2, 3, 4

# Sentences that differ by less than so many words may change places within an epoch's order of length.
_LENGTH_JITTER = 4.0


class Encoded(NamedTuple):
    """One sentence of n words as indices."""

    words: np.ndarray  # (n,) int32
    chars: np.ndarray  # (n, c) int32
    tags: np.ndarray  # (n,) int32, -1 for a tag the task does not know


def pad_batch(
    sentences: Sequence[Encoded], shape: tuple[int, int, int], distinct: Sequence[int] = ()
) -> Batch:
    """Puts sentences into one batch of shape (rows, words, characters); rows left over have length 0.

    ``distinct`` has the ascending numbers of distinct words that the batch may be padded to; where none
    holds them, there is room for as many as the shape has places.
    """
    rows, n, c = shape
    lengths = np.zeros(rows, np.int32)
    lengths[: len(sentences)] = [len(s.words) for s in sentences]
    inside = np.arange(n) < lengths[:, None]
    tags = np.zeros((rows, n), np.int32)
    found = np.zeros((int(lengths.sum()), 1 + c), np.int32)  # row of the table and characters of each token
    first = 0
    for sentence in sentences:
        words, characters = sentence.chars.shape
        own = found[first : first + words]
        own[:, 0], own[:, 1 : 1 + characters] = sentence.words, sentence.chars
        first += words
    if sentences:
        tags[inside] = np.concatenate([s.tags for s in sentences])
    # As bytes, whole lines are compared at once.
    lines = found.view(np.dtype((np.void, found.dtype.itemsize * found.shape[1])))[:, 0]
    _, chosen, index = np.unique(lines, return_index=True, return_inverse=True)
    rows_of, words_of = np.unique(found[chosen, 0], return_inverse=True)
    most = rows * n
    places = fit(len(chosen), (*(size for size in distinct if size < most), most))
    tokens = np.zeros((rows, n), np.int32)
    tokens[inside] = index
    return Batch(
        rows=_padded(rows_of, places),
        words=_padded(words_of, places),
        chars=_padded(found[chosen, 1:], places),
        tokens=tokens,
        lengths=lengths,
        tags=tags,
    )


def _padded(values: np.ndarray, size: int) -> np.ndarray:
    full = np.zeros((size, *values.shape[1:]), np.int32)
    full[: len(values)] = values
    return full


def sorted_batches(sentences: Sequence[Encoded], batch_size: int) -> Iterator[tuple[np.ndarray, Batch]]:
    """Every sentence once, batched by length: the indices of a batch's sentences, and the batch.

    Full batches have ``batch_size`` rows, the last one the next power of four that holds it, so that
    a single sentence does not pay for a whole batch.
    """
    order = np.argsort([len(s.words) for s in sentences], kind="stable")
    for first in range(0, len(order), batch_size):
        chosen = order[first : first + batch_size]
        batch = [sentences[i] for i in chosen]
        rows = padded_rows(len(batch), batch_size)
        words = padded_words(max(len(s.words) for s in batch))
        characters = max(s.chars.shape[1] for s in batch)
        places = rows * words
        shape = rows, words, fit(characters, _CHARACTER_SIZES)
        yield chosen, pad_batch(batch, shape, (places // 2, places * 3 // 4) if rows > 1 else ())


def padded_rows(count: int, batch_size: int) -> int:
    """The rows of a batch of ``count`` sentences: the next power of four, at most ``batch_size``."""
    return min(batch_size, next(4**k for k in range(16) if 4**k >= count))


def padded_words(size: int) -> int:
    """The words that a sentence of ``size`` is padded to in evaluation and tagging."""
    return max(_SMALLEST_WORDS, 1 << max(size - 1, 0).bit_length())


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
        # Of each batch: words of its longest sentence, characters of its longest word, distinct words.
        self.first_epoch = [(*self._needed(plan), self._distinct(plan)) for plan in self._epoch(0)]
        self.expected_steps = expected_steps

    @cached_property
    def _sizes(self) -> PaddedSizes:
        # Late: a run beside others has the shapes that are chosen for all of them.
        return choose_shapes(self.first_epoch, self.rows, self.expected_steps)

    @property
    def shapes(self) -> int:
        """How many shapes the batches may have: the programs that a run compiles for them, at most."""
        return count_shapes(self._sizes, self.rows)

    def indices(self, step: int) -> np.ndarray:
        """Which sentences the task's batch ``step`` (from 0) holds."""
        return self._epoch(step // self.batches_per_epoch)[step % self.batches_per_epoch]

    def batch(self, step: int) -> Batch:
        """The task's batch ``step`` (from 0)."""
        return self.padded(step, self.rows, self.needed(step), self._sizes)

    def needed(self, step: int) -> tuple[int, int]:
        """Words of the longest sentence of batch ``step``, and characters of its longest word."""
        return self._needed(self.indices(step))

    def padded(self, step: int, rows: int, needed: tuple[int, int], sizes: PaddedSizes) -> Batch:
        """Batch ``step`` of so many rows, in the smallest of ``sizes`` that holds what is ``needed``."""
        shape = rows, fit(needed[0], sizes.words), fit(needed[1], sizes.characters)
        sentences = self._with_unknowns([self._sentences[i] for i in self.indices(step)], step)
        return pad_batch(sentences, shape, sizes.distinct)

    def _with_unknowns(self, sentences: list[Encoded], step: int) -> list[Encoded]:
        """The sentences with some rare words and characters replaced by the unknown ones."""
        if not self._unknown_rate:
            return sentences
        random = np.random.default_rng((*self._entropy, _UNKNOWN_STREAM, step))

        def replaced(indices: np.ndarray, rare: np.ndarray, unknown: int) -> np.ndarray:
            chosen = rare[indices]
            chosen[chosen] = random.random(int(chosen.sum())) < self._unknown_rate
            return np.where(chosen, np.int32(unknown), indices)

        return [
            s._replace(
                words=replaced(s.words, self._rare_words, 0),
                chars=replaced(s.chars, self._rare_characters, 1),
            )
            for s in sentences
        ]

    def _needed(self, chosen: np.ndarray) -> tuple[int, int]:
        own = [self._sentences[i].chars.shape for i in chosen]
        return max(n for n, _ in own), max(c for _, c in own)

    def _distinct(self, chosen: np.ndarray) -> int:
        """How many distinct words some sentences have, and a few more: other epochs mix them otherwise."""
        words = {
            (row, chars.tobytes().rstrip(b"\0"))
            for i in chosen
            for row, chars in zip(self._sentences[i].words.tolist(), self._sentences[i].chars, strict=True)
        }
        return round(1.05 * len(words))

    def _plan_epoch(self, epoch: int) -> list[np.ndarray]:
        seed, name = self._entropy
        random = np.random.default_rng((seed, name, _ORDER_STREAM, epoch))
        order = np.argsort(self._lengths + random.uniform(0.0, _LENGTH_JITTER, len(self._lengths)))
        batches = np.array_split(order, self.batches_per_epoch)
        # Whatever the seed, short and long batches come alike: side by side, runs have one shape.
        turns = np.random.default_rng((name, _TURN_STREAM, epoch)).permutation(len(batches))
        return [batches[i] for i in turns]
