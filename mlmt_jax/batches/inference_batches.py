"""Batches of evaluation and tagging, of few shapes: distinct words in blocks, sentences by their length."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mlmt_jax.batches.packing import Contents, pack_sentences, pack_words
from mlmt_jax.types import Sentences, Words

__all__ = ["Piece", "padded_words", "sorted_batches", "word_blocks"]

# Sentences are padded to the next power of two of words from 16 on.
_SMALLEST_WORDS = 16

# Distinct words of a block, and characters for each.
_BLOCKS, _LETTERS = (16, 64, 256, 1024), 8


class Piece(NamedTuple):
    """A sentence, or a window of one."""

    tokens: np.ndarray  # (n,) index of the distinct word
    tags: np.ndarray  # (n,)


def word_blocks(contents: Contents) -> Iterator[tuple[int, Words]]:
    """The distinct words in turn: how many a block has, and the block.

    All blocks but those of a few words have one shape. Without words there is one of none.
    """
    count, ends = len(contents.words), np.cumsum(contents.sizes)
    letters = len(contents.letters)
    fitting = (size for size in _BLOCKS if size >= count and _LETTERS * size >= letters)
    size = next(fitting, _BLOCKS[-1])
    first, begin = 0, 0
    while True:
        last = min(first + size, int(np.searchsorted(ends, begin + _LETTERS * size, "right")))
        end = int(ends[last - 1]) if last else 0
        rows, words = np.unique(contents.rows[contents.words[first:last]], return_inverse=True)
        own = contents._replace(
            rows=rows, words=words, letters=contents.letters[begin:end], sizes=contents.sizes[first:last]
        )
        yield last - first, pack_words(own, size, _LETTERS * size)
        first, begin = last, end
        if first == count:
            return


def sorted_batches(
    pieces: Sequence[Piece], batch_size: int, share: float = 0.75, full: int = 32
) -> Iterator[tuple[np.ndarray, np.ndarray, Sentences]]:
    """Every piece once, batched by length: which pieces a batch has, ``tokens`` as in ``Batch``, the batch.

    A batch has at most ``batch_size`` rows, in proportion fewer of pieces that are padded to more than some
    words (``full``): its longest one would be long, and all others would wait for it. Where it has as many as
    it may, there is room for words in this share of its places: it is closed when either is full, so that all
    full batches of one number of words are one program. Fewer pieces get the next power of four of rows, so
    that a single one does not pay for a whole batch.
    """
    lengths = np.array([len(piece.tokens) for piece in pieces], np.int64)
    order = np.argsort(lengths, kind="stable")
    first = 0
    while first < len(order):
        behind = min(first + batch_size, len(order))
        words = padded_words(int(lengths[order[behind - 1]]))
        most = max(1, batch_size * full // max(words, full))
        behind = min(behind, first + most)
        rows = _padded_rows(behind - first, most)
        room = rows * words if rows < most or rows == 1 else math.ceil(share * rows * words)
        behind = first + int(np.searchsorted(np.cumsum(lengths[order[first:behind]]), room, "right"))
        chosen = order[first:behind]
        first = behind
        own = [pieces[i] for i in chosen]
        tokens, tags = (np.concatenate(parts) for parts in zip(*own, strict=True))
        yield chosen, *pack_sentences(lengths[chosen], tokens, tags, rows, words, room + rows)


def _padded_rows(count: int, batch_size: int) -> int:
    """The rows of a batch of ``count`` sentences: the next power of four, at most ``batch_size``."""
    return min(batch_size, next(4**k for k in range(16) if 4**k >= count))


def padded_words(size: int) -> int:
    """The words that a sentence of ``size`` is padded to."""
    return max(_SMALLEST_WORDS, 1 << max(size - 1, 0).bit_length())
