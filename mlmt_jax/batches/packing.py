"""Batches of given shapes, padded and packed from encoded sentences."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from mlmt_jax.batches.encoded_sentences import EncodedSentences
from mlmt_jax.batches.shapes import Needs, Shape
from mlmt_jax.types import Array, Batch, DistinctWords, PackedSentences


def batch_needs(sentences: EncodedSentences, rows: int) -> Needs:
    """Return the needs of a batch of ``rows`` sentences that holds these and otherwise padding.

    All of ``sentences.words`` are counted.
    """
    lengths = np.zeros(rows, np.int32)
    lengths[: len(sentences.lengths)] = np.sort(sentences.lengths)[::-1]
    return Needs(lengths, len(sentences.words.row_index), len(sentences.words.chars))


def largest_needs(needs: Sequence[Needs]) -> Needs:
    """Return the needs of a shape that fits each of several batches."""
    lengths, distinct_words, chars = zip(*needs, strict=True)
    slots = np.array([*zip_longest(*lengths, fillvalue=0)], np.int32)
    return Needs(slots.max(1), max(distinct_words), max(chars))


class SharedLayout(NamedTuple):
    """A layout of packed words that the batches of several replicas, or parts of a batch, share.

    Batches of one layout have equal ``step_starts``, so that they can be stepped side by side.
    """

    # (rows,) int32, words for which there is room, from the longest sentence to the shortest.
    slots: np.ndarray
    # Number of parts, one for each device, to which the sentences are dealt out; divides the number of rows.
    parts: int | None


def assemble(
    sentences: EncodedSentences, rows: int, shape: Shape, layout: SharedLayout | None = None
) -> Batch:
    """Assemble one batch of NumPy arrays.

    Args:
        sentences: at most ``rows`` sentences.
        rows: sentences of the batch; those that are left over have length 0.
        shape: sizes of the batch; at least what it needs.
        layout: has room for the sentences; None for the layout of these sentences alone. If it has parts,
            arrays that belong to sentences or packed words have a leading axis of parts.
    """
    n, packed_words, distinct_words, chars = shape
    word_ids, packed = pack_sentences(sentences, rows, n, packed_words, layout)
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
    sentences: EncodedSentences, rows: int, n: int, packed_words: int, layout: SharedLayout | None = None
) -> tuple[np.ndarray, PackedSentences]:
    """Pad and pack sentences; return ``Batch.word_ids`` and ``Batch.sentences``.

    Args:
        sentences: at most ``rows`` sentences.
        rows: sentences of the batch.
        n: words to which each sentence is padded.
        packed_words: length of the arrays of packed words.
        layout: as for ``assemble``.
    """
    lengths = np.zeros(rows, np.int32)
    lengths[: len(sentences.lengths)] = sentences.lengths
    inside = np.arange(n) < lengths[:, None]
    tags, word_ids = np.zeros((2, rows, n), np.int32)
    tags[inside], word_ids[inside] = sentences.tags, sentences.word_ids
    order = np.argsort(-lengths, kind="stable")
    slots, parts = layout or SharedLayout(lengths[order], None)
    step_sizes = np.sum(slots[:: parts or 1] > np.arange(n)[:, None], 1)
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
