"""Batches of several runs at once against those of each run."""

import numpy as np
from dense import chars_of, words_of

from mlmt_jax.batches.replica_batches import StackedBatches
from mlmt_jax.batches.training_batches import Encoded, TrainingBatches
from mlmt_jax.types import Batch

ROWS, CHARACTERS = 30, 9


def sentences(seed: int, count: int = 23) -> list[Encoded]:
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        n = int(random.integers(1, 18))
        chars = random.integers(2, CHARACTERS, (n, int(random.integers(1, 12))))
        made.append(
            Encoded(
                *(a.astype(np.int32) for a in (random.integers(1, ROWS, n), chars, random.integers(0, 4, n)))
            )
        )
    return made


def run(seed: int, own: list[Encoded]) -> TrainingBatches:
    rare = np.zeros(ROWS, bool), np.zeros(CHARACTERS, bool)
    return TrainingBatches(
        "task", own, 5, seed=seed, rare_words=rare[0], rare_characters=rare[1], unknown_rate=0.0,
        expected_steps=1000.0,
    )  # fmt: skip


def of_run(batch: Batch, i: int) -> Batch:
    return Batch(**{name: part if name == "starts" else part[i] for name, part in batch._asdict().items()})


def test_each_run_has_its_own_batch() -> None:
    runs = [run(seed, sentences(seed)) for seed in (1, 2, 3)]
    stacked, shapes = StackedBatches(runs), set()
    for step in range(3 * runs[0].batches_per_epoch):
        batch = stacked.batch(step)
        shapes.add(tuple(np.shape(part) for part in batch))
        assert batch.position.shape[:2] == (3, 5)
        # Windows of every run are within its words.
        assert batch.starts[-1] + 5 <= batch.tokens.shape[1]
        for i, own in enumerate(runs):
            found, alone = of_run(batch, i), own.batch(step)
            n = min(found.position.shape[1], alone.position.shape[1])
            np.testing.assert_array_equal(found.lengths, alone.lengths)
            np.testing.assert_array_equal(words_of(found)[:, :n], words_of(alone)[:, :n])
            np.testing.assert_array_equal(found.tags[:, :n], alone.tags[:, :n])
            np.testing.assert_array_equal(chars_of(found)[:, :n], chars_of(alone)[:, :n])
            # The layout is that of all runs: sentences stand from the longest to the shortest.
            order = np.argsort(-found.lengths, kind="stable")
            for slot, sentence in enumerate(order):
                length = found.lengths[sentence]
                at = found.position[sentence, :length]
                np.testing.assert_array_equal(at, batch.starts[:length] + slot)
                np.testing.assert_array_equal(found.back[at], at[::-1])
    assert len(shapes) <= len(stacked.shapes)


def test_dealt_out_batches_have_the_same_sentences() -> None:
    runs = [run(seed, sentences(seed)) for seed in (1, 2)]
    whole, dealt = StackedBatches(runs), StackedBatches(runs, parts=4)
    for step in range(runs[0].batches_per_epoch):
        batch, parts = whole.batch(step), dealt.batch(step)
        assert parts.lengths.shape == (2, 4, 2)  # 5 sentences, filled up to a multiple of 4
        assert parts.starts.shape == (parts.position.shape[-1] + 1,)
        for i in range(2):
            lengths = np.sort(parts.lengths[i], axis=None)
            np.testing.assert_array_equal(lengths[3:], np.sort(batch.lengths[i]))


def test_runs_see_long_and_short_batches_alike() -> None:
    """One sample, two seeds: other sentences share a batch, and the batches' lengths stay close."""
    own = sentences(5, 200)
    runs = [run(seed, own) for seed in (1, 2)]
    steps = range(runs[0].batches_per_epoch)
    longest = np.array([[one.batch(step).lengths.max() for step in steps] for one in runs])
    assert np.abs(longest[0] - longest[1]).max() <= 4
    assert np.ptp(longest[0]) > 10
    assert sum(set(runs[0].indices(step)) != set(runs[1].indices(step)) for step in steps) > len(steps) / 2
