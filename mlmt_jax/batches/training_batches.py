"""Training batches of few shapes; their order is a function of (seed, task, step)."""

import zlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from mlmt_jax.batches.packing import Contents, Encoded, Needs, assemble, collect
from mlmt_jax.batches.shapes import Shape, choose_shapes, fit
from mlmt_jax.corpus import random_streams as streams
from mlmt_jax.types import Batch

__all__ = ["TrainingBatches"]

# Sentences that differ by less than so many words may change places within an epoch's order of length.
_LENGTH_JITTER = 4.0

_MASKS = ("_rare_words", "_rare_characters")


class TrainingBatches:
    """The training batches of one task model; batch ``step`` is a pure function of (seed, name, step).

    In each epoch every sentence is seen once. An epoch is cut into batches of nearly equal size, none
    larger than ``batch_size``, of sentences of about the same length, in a random order.

    Words and characters that occur once in the training data are replaced by the unknown ones with
    probability ``unknown_rate``, anew at each step, so that the unknown ones' embeddings are trained
    on what they stand for.
    """

    def __init__(
        self,
        name: str,
        sentences: Sequence[Encoded],
        batch_size: int,
        *,
        seed: int,
        rare_words: np.ndarray,  # (rows of the word table,) bool
        rare_characters: np.ndarray,  # (rows of the character table,) bool
        unknown_rate: float,
        expected_steps: float,  # how often the task is thought to be drawn; decides the padding
    ):
        self.batches_per_epoch = -(-len(sentences) // batch_size)
        # No batch of an even cut is larger: 40 sentences in batches of at most 19 need 14 rows.
        self.rows = -(-len(sentences) // self.batches_per_epoch)
        self._sentences = sentences
        self._lengths = np.array([len(s.words) for s in sentences])
        self._entropy = (seed, zlib.crc32(name.encode()))
        self._rare_words, self._rare_characters = rare_words, rare_characters
        self._unknown_rate = unknown_rate
        self._plans: dict[int, list[np.ndarray]] = {}
        self.expected_steps = expected_steps

    def __getstate__(self) -> dict[str, Any]:
        # Else every copy would work them out anew, from masks that nothing else needs.
        _ = self._unknown_rate and self._rare_places
        return {name: value for name, value in self.__dict__.items() if name not in _MASKS}

    @property
    def first_epoch(self) -> list[Needs]:
        """What the batches of the first epoch need, were no word replaced."""
        return [collect([self._sentences[i] for i in plan]).needs(self.rows) for plan in self._epoch(0)]

    @property
    def most(self) -> Needs:
        """What no batch of any epoch exceeds."""
        letters = np.array([np.maximum(np.sum(s.chars > 0, 1), 1).sum() for s in self._sentences])
        lengths = np.sort(self._lengths)[::-1][: self.rows]
        return Needs(lengths, int(lengths.sum()), int(np.sort(letters)[::-1][: self.rows].sum()))

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes that batches have: each is a program that a run may compile."""
        # Late: a run beside others has the shapes that are chosen for all of them.
        needed = [needs.shape() for needs in self.first_epoch]
        return choose_shapes(needed, self.most.shape(), self.rows, self.expected_steps)

    def indices(self, step: int) -> np.ndarray:
        """Which sentences the task's batch ``step`` (from 0) holds."""
        return self._epoch(step // self.batches_per_epoch)[step % self.batches_per_epoch]

    def batch(self, step: int) -> Batch:
        """The task's batch ``step`` (from 0)."""
        contents = self.contents(step)
        return assemble(contents, self.rows, fit(contents.needs(self.rows).shape(), self.shapes))

    def contents(self, step: int) -> Contents:
        """What batch ``step`` holds."""
        indices = self.indices(step)
        if self._unknown_rate:
            return collect(self._with_unknowns(indices, step))
        return collect([self._sentences[i] for i in indices])

    def _with_unknowns(self, indices: np.ndarray, step: int) -> list[Encoded]:
        """Sentences with some rare words and characters replaced by the unknown ones."""
        random = np.random.default_rng((*self._entropy, streams.UNKNOWN, step))

        def replaced(values: np.ndarray, places: np.ndarray, unknown: int) -> np.ndarray:
            chosen = places[random.random(len(places)) < self._unknown_rate]
            if not len(chosen):
                return values
            values = values.copy()
            values.flat[chosen] = unknown
            return values

        sentences = []
        for i in indices:
            (words, chars, tags), (rare_words, rare_characters) = self._sentences[i], self._rare_places[i]
            sentences.append(
                Encoded(replaced(words, rare_words, 0), replaced(chars, rare_characters, 1), tags)
            )
        return sentences

    @cached_property
    def _rare_places(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Where each sentence has rare words, and where rare characters, counted line by line."""
        rare = self._rare_words, self._rare_characters
        return [(np.flatnonzero(rare[0][s.words]), np.flatnonzero(rare[1][s.chars])) for s in self._sentences]

    def _epoch(self, epoch: int) -> list[np.ndarray]:
        plan = self._plans.get(epoch)
        if plan is None:
            plan = self._plan_epoch(epoch)
            self._plans = {**dict(list(self._plans.items())[-1:]), epoch: plan}  # two of them
        return plan

    def _plan_epoch(self, epoch: int) -> list[np.ndarray]:
        seed, name = self._entropy
        random = np.random.default_rng((seed, name, streams.ORDER, epoch))
        order = np.argsort(self._lengths + random.uniform(0.0, _LENGTH_JITTER, len(self._lengths)))
        batches = np.array_split(order, self.batches_per_epoch)
        # Whatever the seed, short and long batches come alike: side by side, runs have one shape.
        turns = np.random.default_rng((name, streams.TURN, epoch)).permutation(len(batches))
        return [batches[i] for i in turns]
