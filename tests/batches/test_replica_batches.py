"""Batches of several replicas against those of each replica alone."""

import numpy as np
from dense import DenseSentence, dense_chars, dense_words, encode_dense

from mlmt_jax.batches.replica_batches import StackedBatches
from mlmt_jax.batches.training_batches import OovReplacement, TrainingBatches
from mlmt_jax.types import Batch, DistinctWords

ROWS, CHARACTERS = 30, 9


def draw_sentences(seed: int, count: int = 23) -> list[DenseSentence]:
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        n = int(random.integers(1, 18))
        chars = random.integers(2, CHARACTERS, (n, int(random.integers(1, 12))))
        made.append(
            DenseSentence(
                *(a.astype(np.int32) for a in (random.integers(1, ROWS, n), chars, random.integers(0, 4, n)))
            )
        )
    return made


def make_batches(seed: int, sentences: list[DenseSentence]) -> TrainingBatches:
    oov = OovReplacement(0.0, np.zeros(ROWS, bool), np.zeros(CHARACTERS, bool))
    return TrainingBatches("task", encode_dense(sentences), 5, seed, oov, expected_steps=1000.0)


def replica_batch(batch: Batch, i: int) -> Batch:
    """Return the batch of one replica."""
    words = DistinctWords(*(array[i] for array in batch.words))
    shared = batch.sentences.step_starts
    sentences = batch.sentences._replace(step_starts=np.stack([shared] * len(batch.word_ids)))
    return Batch(words, batch.word_ids[i], type(sentences)(*(array[i] for array in sentences)))


def test_each_replica_has_its_batch() -> None:
    runs = [make_batches(seed, draw_sentences(seed)) for seed in (1, 2, 3)]
    stacked, shapes = StackedBatches(runs), set()
    for step in range(3 * runs[0].batches_per_epoch):
        batch = stacked.batch(step)
        shapes.add(tuple(np.shape(array) for array in batch.arrays))
        assert batch.sentences.packed_index.shape[:2] == (3, 5)
        # Windows of every replica are within its words.
        assert batch.sentences.step_starts[-1] + 5 <= batch.word_ids.shape[1]
        for i, batches in enumerate(runs):
            replica, alone = replica_batch(batch, i), batches.batch(step)
            packed = replica.sentences
            n = min(packed.tags.shape[1], alone.sentences.tags.shape[1])
            np.testing.assert_array_equal(packed.lengths, alone.sentences.lengths)
            np.testing.assert_array_equal(dense_words(replica)[:, :n], dense_words(alone)[:, :n])
            np.testing.assert_array_equal(packed.tags[:, :n], alone.sentences.tags[:, :n])
            np.testing.assert_array_equal(dense_chars(replica)[:, :n], dense_chars(alone)[:, :n])
            # All replicas share one layout, from the longest sentence to the shortest.
            order = np.argsort(-packed.lengths, kind="stable")
            for slot, sentence in enumerate(order):
                length = packed.lengths[sentence]
                index = packed.packed_index[sentence, :length]
                np.testing.assert_array_equal(index, packed.step_starts[:length] + slot)
                np.testing.assert_array_equal(packed.reversal[index], index[::-1])
    assert len(shapes) <= len(stacked.padding.shapes)


def test_dealt_out_batches_have_the_same_sentences() -> None:
    runs = [make_batches(seed, draw_sentences(seed)) for seed in (1, 2)]
    whole, dealt = StackedBatches(runs), StackedBatches(runs, parts=4)
    for step in range(runs[0].batches_per_epoch):
        batch, parts = whole.batch(step).sentences, dealt.batch(step).sentences
        assert parts.lengths.shape == (2, 4, 2)  # 5 sentences, padded to a multiple of 4
        assert parts.step_starts.shape == (parts.packed_index.shape[-1] + 1,)
        for i in range(2):
            lengths = np.sort(parts.lengths[i], axis=None)
            np.testing.assert_array_equal(lengths[3:], np.sort(batch.lengths[i]))


def test_replicas_have_long_and_short_batches_at_the_same_steps() -> None:
    """Check one sample with two seeds: other sentences share a batch, but lengths stay close."""
    sample = draw_sentences(5, 200)
    runs = [make_batches(seed, sample) for seed in (1, 2)]
    steps = range(runs[0].batches_per_epoch)
    longest = np.array([[run.batch(step).sentences.lengths.max() for step in steps] for run in runs])
    assert np.abs(longest[0] - longest[1]).max() <= 4
    assert np.ptp(longest[0]) > 10
    assert sum(set(runs[0].indices(step)) != set(runs[1].indices(step)) for step in steps) > len(steps) / 2
