"""Sentences with every occurrence of a word spelled out, and batches of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mlmt_jax.batches.encoded_sentences import EncodedSentences, from_spellings
from mlmt_jax.batches.packing import assemble, batch_needs
from mlmt_jax.batches.shapes import Shape
from mlmt_jax.types import Batch


class DenseSentence(NamedTuple):
    """One sentence of n words as vocabulary ids."""

    words: np.ndarray  # (n,) int32, rows of the word table
    chars: np.ndarray  # (n, c) int32, rows of the character table; padding is 0
    tags: np.ndarray  # (n,) int32


def encode_dense(sentences: Sequence[DenseSentence]) -> EncodedSentences:
    """Encode sentences, with every distinct word stored once."""
    lengths = np.array([len(sentence.words) for sentence in sentences], np.int32)
    width = max((sentence.chars.shape[1] for sentence in sentences), default=0)
    spellings = np.zeros((int(lengths.sum()), 1 + max(width, 1)), np.int32)
    first = 0
    for sentence in sentences:
        words, chars = sentence.chars.shape
        spellings[first : first + words, 0] = sentence.words
        spellings[first : first + words, 1 : 1 + chars] = sentence.chars
        first += words
    tags = np.concatenate([np.zeros(0, np.int32), *(sentence.tags for sentence in sentences)])
    return from_spellings(spellings, lengths, tags)


def dense_sentences(sentences: EncodedSentences) -> list[DenseSentence]:
    """Invert ``encode_dense``; all sentences have characters for the longest word of any."""
    spellings = sentences.spellings()
    return [
        DenseSentence(spellings[start:end, 0], spellings[start:end, 1:], sentences.tags[start:end])
        for start, end in sentences.bounds
    ]


def pack_dense(sentences: Sequence[DenseSentence], rows: int, n: int, more: int = 0) -> Batch:
    """Assemble a batch of ``rows`` sentences, padded to ``n`` words, and by ``more`` in all other sizes."""
    encoded = encode_dense(sentences)
    _, *sizes = batch_needs(encoded, rows).shape()
    return assemble(encoded, rows, Shape(n, *(max(size + more, 1) for size in sizes)))


def dense_words(batch: Batch) -> np.ndarray:
    """Return the rows of the word table, (B, n); padding is 0."""
    return _unpacked(batch, np.asarray(batch.words.table_rows)[np.asarray(batch.words.row_index)])


def dense_chars(batch: Batch) -> np.ndarray:
    """Return the rows of the character table, (B, n, c), c that of the longest word; padding is 0."""
    chars, ends = np.asarray(batch.words.chars), np.asarray(batch.words.segment_ends)
    words = [chars[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    dense = np.zeros((len(words), max((len(word) for word in words), default=0)), np.int32)
    for row, word in zip(dense, words, strict=True):
        row[: len(word)] = word
    return _unpacked(batch, dense)


def _unpacked(batch: Batch, values: np.ndarray) -> np.ndarray:
    """Gather values of distinct words (U, ...) for each word of each sentence, (B, n, ...); padding is 0."""
    packed_index = np.asarray(batch.sentences.packed_index)
    inside = packed_index < len(batch.word_ids)
    gathered = values[np.asarray(batch.word_ids)[np.where(inside, packed_index, 0)]]
    return np.where(inside.reshape(*inside.shape, *[1] * (gathered.ndim - 2)), gathered, 0)
