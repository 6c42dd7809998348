"""Batches for evaluation and tagging in few shapes: distinct words in blocks, sentences sorted by length."""

import math
from collections.abc import Iterator

import numpy as np

from mlmt_jax.batches.encoded_sentences import EncodedSentences, distinct_words
from mlmt_jax.batches.packing import pack_sentences, pack_words
from mlmt_jax.types import DistinctWords, PackedSentences

# Sentences are padded to the next power of two of words from 16 on.
_SMALLEST_WORDS = 16

# Distinct words of a block, and characters per word.
_BLOCK_SIZES, _CHARS_PER_WORD = (16, 64, 256, 1024), 8


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


def sorted_batches(
    sentences: EncodedSentences, batch_size: int, share: float = 0.75, full: int = 32
) -> Iterator[tuple[np.ndarray, np.ndarray, PackedSentences]]:
    """Yield every sentence once, in batches of similar length.

    A full batch has room for fewer words than for its sentences at their padded length, so that it closes
    when either is full. So all full batches of one padded length use one program. A batch with fewer
    sentences is padded to the next power of four of rows, so that one sentence costs less than a whole batch.

    Args:
        sentences: in any order.
        batch_size: the largest number of sentences of a batch, if they are padded to at most ``full`` words.
            Batches of longer sentences have proportionally fewer: all wait for the longest one.
        share: share of a full batch's padded words for which there is room.
        full: see ``batch_size``.

    Yields:
        The indices of the batch's sentences, ``Batch.word_ids`` and ``Batch.sentences``.
    """
    lengths, bounds = sentences.lengths.astype(np.int64), sentences.bounds
    order = np.argsort(lengths, kind="stable")
    first = 0
    while first < len(order):
        last = min(first + batch_size, len(order))
        n = padded_words(int(lengths[order[last - 1]]))
        most = max(1, batch_size * full // max(n, full))
        last = min(last, first + most)
        rows = _padded_rows(last - first, most)
        room = rows * n if rows < most or rows == 1 else math.ceil(share * rows * n)
        last = first + int(np.searchsorted(np.cumsum(lengths[order[first:last]]), room, "right"))
        indices = order[first:last]
        first = last
        selected = sentences.select([bounds[i] for i in indices])
        yield indices, *pack_sentences(selected, rows, n, room + rows)


def _padded_rows(count: int, batch_size: int) -> int:
    """Return the rows of a batch of ``count`` sentences: the next power of four, at most ``batch_size``."""
    return min(batch_size, next(4**k for k in range(16) if 4**k >= count))


def padded_words(n: int) -> int:
    """Return the number of words to which a sentence of ``n`` words is padded."""
    return max(_SMALLEST_WORDS, 1 << max(n - 1, 0).bit_length())
