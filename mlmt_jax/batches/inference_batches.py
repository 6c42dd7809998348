"""Batches for evaluation and tagging in few shapes: distinct words in blocks, sentences sorted by length."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mlmt_jax.batches.encoded_sentences import EncodedSentences, distinct_words
from mlmt_jax.batches.packing import pack_sentences, pack_words
from mlmt_jax.types import DistinctWords, PackedSentences

#: The most words of a sentence that is encoded at once.
LONGEST = 512

# Distinct words of a block, and characters per word.
_BLOCK_SIZES, _CHARS_PER_WORD = (64, 1024), 8

# Words of a short sentence. The loops of a CPU end with the longest sentence of a batch, so that padding
# beyond it costs little.
_SHORT = 64

# Rows of the batches of few sentences.
_FEW_ROWS = (1, 16)

# Packed words of a batch for each of its rows: about the mean length of a sentence.
_WORDS_PER_ROW = 16


class BatchShape(NamedTuple):
    """The shape of inference batches."""

    rows: int  # B, sentences
    sentence_words: int  # n, words to which each sentence is padded
    packed_words: int  # words of all sentences together for which there is room


def word_blocks(words: DistinctWords) -> Iterator[tuple[int, DistinctWords]]:
    """Yield the distinct words in blocks: the number of words of each block, and the padded block.

    All blocks have one shape: the smallest that holds all words, or the largest. Without words, one empty
    block is yielded.

    Args:
        words: without padding.
    """
    rows, chars = np.asarray(words.table_rows)[words.row_index], np.asarray(words.chars)
    ends = np.asarray(words.segment_ends)
    sizes = np.diff(ends, prepend=0)
    fitting = (n for n in _BLOCK_SIZES if n >= len(rows) and _CHARS_PER_WORD * n >= len(chars))
    block_size = next(fitting, _BLOCK_SIZES[-1])
    block_chars = _CHARS_PER_WORD * block_size
    first = start = 0
    while True:
        last = min(first + block_size, int(np.searchsorted(ends, start + block_chars, "right")))
        end = int(ends[last - 1]) if last else 0
        block = distinct_words(rows[first:last], chars[start:end], sizes[first:last])
        yield last - first, pack_words(block, block_size, block_chars)
        first, start = last, end
        if first == len(rows):
            return


def batch_shapes(count: int, batch_size: int) -> tuple[BatchShape, BatchShape]:
    """Return the shapes of batches of short and of long sentences, which have fewer rows and equal room.

    Args:
        count: number of sentences; few sentences get few rows.
        batch_size: the largest number of sentences of a batch.
    """
    rows = next((rows for rows in _FEW_ROWS if count <= rows < batch_size), batch_size)
    words = _WORDS_PER_ROW * rows
    few_rows = max(1, rows * _SHORT // LONGEST)
    return BatchShape(rows, _SHORT, max(_SHORT, words)), BatchShape(few_rows, LONGEST, max(LONGEST, words))


def example_batches(
    sentences: EncodedSentences, shapes: Sequence[BatchShape]
) -> Iterator[tuple[np.ndarray, PackedSentences]]:
    """Yield an empty batch of each shape that ``sorted_batches`` uses: ``word_ids`` and ``sentences``."""
    order = np.sort(sentences.lengths)
    ends = np.searchsorted(order, [shape.sentence_words for shape in shapes], "right")
    for (rows, n, room), count in zip(shapes, np.diff(ends, prepend=0), strict=True):
        if count:
            yield pack_sentences(sentences.select([]), rows, n, room + rows)


def sorted_batches(
    sentences: EncodedSentences, shapes: Sequence[BatchShape]
) -> Iterator[tuple[np.ndarray, np.ndarray, PackedSentences]]:
    """Yield every sentence once, in batches of similar length.

    A batch closes when its rows or its packed words are full, or if the next sentence needs another shape.

    Args:
        sentences: in any order.
        shapes: ascending by ``sentence_words``; each sentence gets the first that it fits.

    Yields:
        The indices of the batch's sentences, ``Batch.word_ids`` and ``Batch.sentences``.
    """
    lengths, bounds = sentences.lengths.astype(np.int64), sentences.bounds
    order = np.argsort(lengths, kind="stable")
    ends = np.searchsorted(lengths[order], [shape.sentence_words for shape in shapes], "right")
    first = 0
    for (rows, n, room), end in zip(shapes, ends.tolist(), strict=True):
        while first < end:
            total_words = np.cumsum(lengths[order[first : min(end, first + rows)]])
            indices = order[first : first + int(np.searchsorted(total_words, room, "right"))]
            first += len(indices)
            selected = sentences.select([bounds[i] for i in indices])
            # The LSTM's last window begins behind the last word, and has a row for every sentence.
            yield indices, *pack_sentences(selected, rows, n, room + rows)
