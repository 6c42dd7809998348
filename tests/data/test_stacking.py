"""Batches of several runs at once against those of each run."""

import numpy as np
from dense import chars_of, words_of

from mlmt_jax.data.batching import Encoded, TrainingBatches
from mlmt_jax.data.stacking import StackedBatches
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
    return Batch(*(part[i] for part in batch))


def test_each_run_has_its_own_batch() -> None:
    runs = [run(seed, sentences(seed)) for seed in (1, 2, 3)]
    stacked, shapes = StackedBatches(runs, multiple=4), set()
    for step in range(3 * runs[0].batches_per_epoch):
        batch = stacked.batch(step)
        shapes.add(batch.tokens.shape + batch.chars.shape)
        assert batch.tokens.shape[:2] == (3, 8)  # 5 sentences, filled up to a multiple of 4
        for i, own in enumerate(runs):
            found, alone = of_run(batch, i), own.batch(step)
            rows, n = alone.tokens.shape
            count = found.lengths[rows:].sum()
            assert count == 0
            np.testing.assert_array_equal(found.lengths[:rows], alone.lengths)
            n = min(n, found.tokens.shape[1])
            np.testing.assert_array_equal(words_of(found)[:rows, :n], words_of(alone)[:, :n])
            np.testing.assert_array_equal(found.tags[:rows, :n], alone.tags[:, :n])
            c = min(found.chars.shape[1], alone.chars.shape[1])
            np.testing.assert_array_equal(chars_of(found)[:rows, :n, :c], chars_of(alone)[:, :n, :c])
    assert len(shapes) <= stacked.shapes


def test_runs_see_long_and_short_batches_alike() -> None:
    """One sample, two seeds: other sentences share a batch, and the batches' lengths stay close."""
    own = sentences(5, 200)
    runs = [run(seed, own) for seed in (1, 2)]
    steps = range(runs[0].batches_per_epoch)
    longest = np.array([[one.needed(step)[0] for step in steps] for one in runs])
    assert np.abs(longest[0] - longest[1]).max() <= 4
    assert np.ptp(longest[0]) > 10
    assert sum(set(runs[0].indices(step)) != set(runs[1].indices(step)) for step in steps) > len(steps) / 2
