"""Sentences as vocabulary ids, with every distinct word stored once."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mlmt_jax.types import DistinctWords


class EncodedSentences(NamedTuple):
    """S sentences of T words in total as vocabulary ids, without padding.

    The words of a subset of the sentences need not include all of ``words``.
    """

    words: DistinctWords  # not padded
    lengths: np.ndarray  # (S,) int32, words per sentence
    word_ids: np.ndarray  # (T,) int, index of each word's distinct word
    tags: np.ndarray  # (T,) int32, index into the task's tags; -1 is a tag that the task lacks

    @property
    def bounds(self) -> list[tuple[int, int]]:
        """First and last word (exclusive) of each sentence, counted over all sentences."""
        return list(pairwise([0, *np.cumsum(self.lengths).tolist()]))

    def select(self, bounds: Sequence[tuple[int, int]]) -> "EncodedSentences":
        """Return ranges of words as sentences; they share ``words`` with this object.

        Args:
            bounds: first and last word (exclusive) of each range, as in ``bounds``.
        """
        lengths = np.array([end - start for start, end in bounds], np.int32)
        words = np.concatenate([np.zeros(0, int), *(np.arange(*range_) for range_ in bounds)])
        return EncodedSentences(self.words, lengths, self.word_ids[words], self.tags[words])

    def spellings(self) -> np.ndarray:
        """Return every word spelled out, (T, 1 + c) int32: its row of the word table, then its characters."""
        ends = np.asarray(self.words.segment_ends)
        starts = np.where(self.word_ids > 0, ends[self.word_ids - 1], 0)
        sizes = ends[self.word_ids] - starts
        offsets = np.arange(sizes.max(initial=0))
        inside = offsets < sizes[:, None]
        spellings = np.zeros((len(sizes), 1 + len(offsets)), np.int32)
        spellings[:, 0] = self.words.table_rows[self.words.row_index[self.word_ids]]
        spellings[:, 1:][inside] = self.words.chars[(starts[:, None] + offsets)[inside]]
        return spellings


def from_spellings(spellings: np.ndarray, lengths: np.ndarray, tags: np.ndarray) -> EncodedSentences:
    """Return the sentences whose words have these spellings, with every distinct word stored once.

    Args:
        spellings: (T, 1 + c) int32, as ``EncodedSentences.spellings`` returns them.
        lengths: (S,) int32, words per sentence.
        tags: (T,) int32.
    """
    # As bytes, whole lines are compared at once.
    lines = spellings.view(np.dtype((np.void, spellings.dtype.itemsize * spellings.shape[1])))[:, 0]
    _, first, word_ids = np.unique(lines, return_index=True, return_inverse=True)
    rows, chars = spellings[first, 0], spellings[first, 1:]
    # A word without characters has the one that says so.
    sizes = np.maximum(np.sum(chars > 0, 1), 1)
    inside = np.arange(chars.shape[1]) < sizes[:, None]
    return EncodedSentences(distinct_words(rows, chars[inside], sizes), lengths, word_ids, tags)


def distinct_words(rows: np.ndarray, chars: np.ndarray, sizes: np.ndarray) -> DistinctWords:
    """Build distinct words from the row of the word table (U,) and number of characters (U,) of each word.

    Args:
        rows: (U,) int, row of the word table of each word.
        chars: (C,) int32, rows of the character table, word by word.
        sizes: (U,) int, characters of each word; at least 1.
    """
    table_rows, row_index = np.unique(rows, return_inverse=True)
    segment_ids = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    return DistinctWords(table_rows, row_index, chars, segment_ids, np.cumsum(sizes))
