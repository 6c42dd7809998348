"""Batches of given shapes, padded and packed from encoded sentences."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mlmt_jax.batches.encoded_sentences import EncodedSentences
from mlmt_jax.batches.shapes import Shape
from mlmt_jax.types import Array, Batch, DistinctWords, PackedSentences


class Needs(NamedTuple):
    """The least sizes that a batch must have."""

    lengths: np.ndarray  # (B,) int32, words of the sentences, in descending order
    distinct_words: int
    chars: int  # characters of the distinct words

    def shape(self, parts: int = 1) -> Shape:
        """Return the smallest shape of a batch whose sentences are dealt out to ``parts`` (``assemble``)."""
        slots = self.lengths[::parts]  # the longest sentence in each row of any part
        # The LSTM's last window begins at most here, and has a row for every sentence.
        packed_words = int(slots.sum()) + len(slots)
        return Shape(int(self.lengths.max(initial=0)), packed_words, self.distinct_words, self.chars)


def needs_of(sentences: EncodedSentences, rows: int) -> Needs:
    """Return the needs of a batch of ``rows`` sentences that holds these and otherwise padding.

    All of ``sentences.words`` are counted.
    """
    lengths = np.zeros(rows, np.int32)
    lengths[: len(sentences.lengths)] = np.sort(sentences.lengths)[::-1]
    return Needs(lengths, len(sentences.words.row_index), len(sentences.words.chars))


def largest_needs(needs: Sequence[Needs]) -> Needs:
    """Return the needs of a shape that fits each of several batches."""
    lengths, distinct_words, chars = zip(*needs, strict=True)
    padded = np.zeros((len(needs), max(map(len, lengths))), np.int32)
    for row, values in zip(padded, lengths, strict=True):
        row[: len(values)] = values
    return Needs(padded.max(0), max(distinct_words), max(chars))


def assemble(
    sentences: EncodedSentences,
    rows: int,
    shape: Shape,
    slots: np.ndarray | None = None,
    parts: int | None = None,
) -> Batch:
    """Assemble one batch of NumPy arrays.

    Args:
        sentences: at most ``rows`` sentences.
        rows: sentences of the batch; those that are left over have length 0.
        shape: sizes of the batch; at least what it needs.
        slots: (rows,) int32, words for which there is room, from the longest sentence to the shortest; at
            least as long as the sentences. By default their own lengths. Batches with equal slots have equal
            ``step_starts``, so that replicas can step side by side.
        parts: number of parts, one for each device, to which the sentences are dealt out; divides ``rows``.
            If given, arrays that belong to sentences or packed words have a leading axis of parts.
    """
    n, packed_words, distinct_words, chars = shape
    word_ids, packed = pack_sentences(sentences, rows, n, packed_words, slots, parts)
    return Batch(pack_words(sentences.words, distinct_words, chars), word_ids, packed)


def pack_words(words: DistinctWords, size: int, chars: int) -> DistinctWords:
    """Pad distinct words to ``size`` words and ``chars`` characters."""
    return DistinctWords(
        table_rows=_padded(words.table_rows, size),
        row_index=_padded(words.row_index, size),
        chars=_padded(words.chars, chars),
        segment_ids=_padded(words.segment_ids, chars, size - 1),
        segment_ends=_padded(words.segment_ends, size),
    )


def pack_sentences(
    sentences: EncodedSentences,
    rows: int,
    n: int,
    packed_words: int,
    slots: np.ndarray | None = None,
    parts: int | None = None,
) -> tuple[np.ndarray, PackedSentences]:
    """Pad and pack sentences of at most ``n`` words; return ``Batch.word_ids`` and ``Batch.sentences``.

    Args:
        sentences, rows, slots, parts: as for ``assemble``.
        n: words to which each sentence is padded.
        packed_words: length of the arrays of packed words.
    """
    lengths = np.zeros(rows, np.int32)
    lengths[: len(sentences.lengths)] = sentences.lengths
    inside = np.arange(n) < lengths[:, None]
    tags, word_ids = np.zeros((2, rows, n), np.int32)
    tags[inside], word_ids[inside] = sentences.tags, sentences.word_ids
    order = np.argsort(-lengths, kind="stable")
    slots = (lengths[order] if slots is None else slots)[:: parts or 1]
    step_sizes = np.sum(slots > np.arange(n)[:, None], 1)
    step_starts = np.concatenate([[0], np.cumsum(step_sizes)]).astype(np.int32)
    dealt = [order[part :: parts or 1] for part in range(parts or 1)]
    packs = [
        _pack(numbers, lengths[numbers], word_ids[numbers], step_starts, packed_words) for numbers in dealt
    ]
    if parts is None:
        [(packed_ids, dropout_ids, reversal, packed_index)] = packs
        packed_index = packed_index[np.argsort(order)]
    else:
        packed_ids, dropout_ids, reversal, packed_index = map(np.stack, zip(*packs, strict=True))
        lengths, tags = lengths[np.array(dealt)], tags[np.array(dealt)]
    return packed_ids, PackedSentences(dropout_ids, reversal, step_starts, packed_index, lengths, tags)


def _pack(
    numbers: np.ndarray, lengths: np.ndarray, word_ids: np.ndarray, step_starts: np.ndarray, packed_words: int
) -> tuple[np.ndarray, ...]:
    """Return word_ids, dropout_ids, reversal and packed_index of sentences in descending order of length.

    Args:
        numbers: (B,) int, number of each sentence in its batch.
        lengths: (B,) int32, words per sentence.
        word_ids: (B, n) int32, index of the distinct word of each word.
        step_starts: (n + 1,) int32, as in ``PackedSentences``.
        packed_words: length P of the packed arrays.
    """
    sentence, word = np.nonzero(np.arange(word_ids.shape[1]) < lengths[:, None])
    target = step_starts[word] + sentence
    packed_ids, dropout_ids = np.zeros(packed_words, np.int32), np.zeros(packed_words, np.uint32)
    reversal = np.arange(packed_words, dtype=np.int32)
    packed_index = np.full(word_ids.shape, packed_words, np.int32)
    packed_ids[target] = word_ids[sentence, word]
    dropout_ids[target] = (numbers[sentence] << 16) + word
    reversal[target] = step_starts[lengths[sentence] - 1 - word] + sentence
    packed_index[sentence, word] = target
    return packed_ids, dropout_ids, reversal, packed_index


def _padded(values: Array, size: int, fill: int = 0) -> np.ndarray:
    """Pad a vector with ``fill``: (size,) int32."""
    padded = np.full(size, fill, np.int32)
    padded[: len(values)] = values
    return padded
