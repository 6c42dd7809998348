"""The shapes that layers hand to each other. Imports no library at run time.

Axis letters: B sentences, n words, c characters, t tags, d features; of a whole batch P packed words, U
distinct words, C characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import jax
    import numpy as np

    Array = jax.Array | np.ndarray

__all__ = ["BY_SENTENCE", "Batch", "Params", "Sentences", "Sizes", "Words"]

#: ``{component name: subtree of arrays}``; tasks share a component by naming the same key.
Params = dict[str, Any]


class Words(NamedTuple):
    """Distinct words, with their characters end to end: what does not depend on the sentence."""

    rows: Array  # (U,) int32, ascending distinct rows of the word table; 0 fills up; 0 is the unknown word
    words: Array  # (U,) int32, of each distinct word: index into rows
    chars: Array  # (C,) int32, row of the character table; 1 is the unknown character, 0 fills up
    owners: Array  # (C,) int32, of each character: its distinct word; the last word fills up
    ends: Array  # (U,) int32, of each distinct word: where in chars the next one begins


class Sentences(NamedTuple):
    """Sentences. What is computed word by word is computed for packed words, not for (B, n) places.

    Packed words stand in the order in which an LSTM reads them: the first words of all sentences, from the
    longest sentence to the shortest, then their second words, and so on.
    """

    places: Array  # (P,) uint32, of each packed word: number of its sentence * 2**16 + number within it
    back: Array  # (P,) int32, the packed word as far from its sentence's end as this one is from its start
    starts: Array  # (n + 1,) int32, of each number within a sentence: its first packed word
    position: Array  # (B, n) int32, of each word: the packed word; P where there is none
    lengths: Array  # (B,) int32, words a sentence; 0 fills a batch up
    tags: Array  # (B, n) int32, index into the task's tags; -1 marks a tag the task does not know


class Batch(NamedTuple):
    """Encoded sentences: the fields of ``Words``, which word stands where, the fields of ``Sentences``."""

    rows: Array
    words: Array
    chars: Array
    owners: Array
    ends: Array
    tokens: Array  # (P,) int32, of each packed word: index of the distinct word; 0 fills up
    places: Array
    back: Array
    starts: Array
    position: Array
    lengths: Array
    tags: Array


#: What of a batch belongs to sentences or packed words; the rest is of the batch as a whole.
BY_SENTENCE = ("tokens", "places", "back", "position", "lengths", "tags")


class Sizes(NamedTuple):
    """What the data decides about the parameters' shapes."""

    words: dict[str, int]  # rows of each embedding component's table, by component
    characters: int  # rows of the character tables, "no character" and "unknown" among them
    tags: dict[str, list[str]]  # tag names in the order of their indices, by task ("ner", "pos")
    spans: dict[str, bool]  # whether the task's tags are BIOES spans, by task
