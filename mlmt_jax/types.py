"""The shapes that layers hand to each other. Imports no library at run time but NumPy's types.

Axis letters: B batch, n words, c characters, t tags, d features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import jax
    import numpy as np

    Array = jax.Array | np.ndarray
    Key = jax.Array

__all__ = ["Batch", "Params", "Sizes"]

#: ``{component name: subtree of arrays}``; tasks share a component by naming the same key.
Params = dict[str, Any]


class Batch(NamedTuple):
    """Encoded sentences, padded to one bucket. ``lengths`` is the one truth: masks derive from it.

    A word that occurs several times stands here once: U distinct words, of which sentences hold indices.
    """

    rows: Array  # (U,) int32, ascending distinct rows of the word table; 0 fills up; 0 is the unknown word
    words: Array  # (U,) int32, of each distinct word: index into rows
    chars: Array  # (U, c) int32, row of the character table; 0 is no character, 1 the unknown one
    tokens: Array  # (B, n) int32, index of the distinct word
    lengths: Array  # (B,) int32, words a sentence; 0 fills a batch up
    tags: Array  # (B, n) int32, index into the task's tags; -1 marks a tag the task does not know


class Sizes(NamedTuple):
    """What the data decides about the parameters' shapes."""

    words: dict[str, int]  # rows of each embedding component's table, by component
    characters: int  # rows of the character tables, "no character" and "unknown" among them
    tags: dict[str, list[str]]  # tag names in the order of their indices, by task ("ner", "pos")
    spans: dict[str, bool]  # whether the task's tags are BIOES spans, by task
