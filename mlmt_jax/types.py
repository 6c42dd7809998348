"""The data types that the layers exchange. Imports no library at run time.

Axis letters: B batch, n words, c characters, t tags, d features. For a whole batch: P packed words,
U distinct words, C characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import jax
    import numpy as np

    Array = jax.Array | np.ndarray
else:
    Array = Any

#: ``{component name: subtree of arrays}``. Tasks that name the same key share the component.
Params = dict[str, Any]


class DistinctWords(NamedTuple):
    """The distinct words of a set of sentences, each with the characters of its spelling.

    Two words are distinct if they differ in their table row or in their characters.
    """

    table_rows: (
        Array  # (U,) int32, distinct rows of the word table, ascending; padding is 0; 0 is the OOV word
    )
    row_index: Array  # (U,) int32, index into ``table_rows`` of each distinct word; padding is 0
    chars: (
        Array  # (C,) int32, rows of the character table, word by word; padding is 0; 1 is the OOV character
    )
    segment_ids: Array  # (C,) int32, distinct word to which each character belongs; padding is U - 1
    segment_ends: Array  # (U,) int32, end (exclusive) of each word's characters in ``chars``; padding is 0


class PackedSentences(NamedTuple):
    """The sentences of a batch, and the order in which their words are packed.

    Packed words are in the order in which an LSTM reads them: the first words of all sentences, from the
    longest sentence to the shortest, then all second words, and so on. So padding costs no computation.
    """

    dropout_ids: (
        Array  # (P,) uint32, sentence number * 2**16 + word number of each packed word; seeds dropout
    )
    reversal: Array  # (P,) int32, permutation that reverses the words of every sentence; its own inverse
    step_starts: Array  # (n + 1,) int32, index of the first packed word of each word number (LSTM step)
    packed_index: Array  # (B, n) int32, index of each word among the packed words; padding is P
    lengths: Array  # (B,) int32, words per sentence; padding is 0
    tags: Array  # (B, n) int32, index into the task's tags; padding is 0; -1 is a tag that the task lacks


class Batch(NamedTuple):
    """Encoded sentences, padded and packed."""

    words: DistinctWords
    word_ids: Array  # (P,) int32, index of the distinct word of each packed word; padding is 0
    sentences: PackedSentences

    @property
    def arrays(self) -> tuple[Any, ...]:
        """The arrays of all parts, in the order of the fields."""
        return *self.words, self.word_ids, *self.sentences

    @classmethod
    def from_arrays(cls, arrays: Sequence[Any]) -> Batch:
        """Build a batch from its arrays in the order of ``arrays``."""
        split = len(DistinctWords._fields)
        words, sentences = arrays[:split], arrays[split + 1 :]
        return cls(DistinctWords(*words), arrays[split], PackedSentences(*sentences))


def batch_axes(words: Any, sentences: Any, step_starts: Any = None) -> Batch:
    """Return a batch that has a mapped axis, or another property of an axis, in place of each array.

    Args:
        words: value for the arrays of the distinct words, which belong to the batch as a whole.
        sentences: value for the arrays that belong to sentences or packed words.
        step_starts: value for ``step_starts``, which replicas and devices share.
    """
    axes = PackedSentences(*[sentences] * len(PackedSentences._fields))
    shared = axes._replace(step_starts=step_starts)
    return Batch(DistinctWords(*[words] * len(DistinctWords._fields)), sentences, shared)


class Sizes(NamedTuple):
    """The parameter shapes that depend on the data."""

    words: dict[str, int]  # rows of each embedding component's table, by component
    characters: int  # rows of the character tables, with those for "no character" and the OOV character
    tags: dict[str, list[str]]  # tag names in the order of their indices, by task ("ner", "pos")
    spans: dict[str, bool]  # True if the task's tags are BIOES spans, by task
