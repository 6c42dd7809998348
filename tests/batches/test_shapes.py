"""Shapes of training batches: every batch fits one, and no other choice costs less."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmt_jax.batches.shapes import Needs, Shape, TaskNeeds, choose_padding, fit

LADDER = [math.ceil(2 ** (k / 4)) * 16 for k in range(40)]

LENGTHS = st.lists(st.integers(0, 60), min_size=1, max_size=8)


def make_needs(lengths: list[int], new_words: float = 0.7, word_chars: int = 5) -> Needs:
    ordered = np.sort(np.array(lengths, np.int32))[::-1]
    distinct = math.ceil(new_words * ordered.sum())
    return Needs(ordered, distinct, word_chars * distinct)


def make_task(batches: list[list[int]], steps: float = 1000.0, **kwargs) -> TaskNeeds:
    rows = max(map(len, batches))
    longest = [
        max((sorted(batch)[-1 - i] for batch in batches if len(batch) > i), default=0) for i in range(rows)
    ]
    return TaskNeeds([make_needs(batch, **kwargs) for batch in batches], make_needs(longest, 1.0), steps)


def cost(tasks: list[TaskNeeds], rows: int, shapes: tuple[Shape, ...]) -> float:
    """Return the microseconds of a run: of packed words, and of a second program."""
    total = 5.5e6 * (len(shapes) - 1)
    for task in tasks:
        words = [fit(needs.shape(rows), shapes).packed_words for needs in task.batches]
        total += 25.0 * task.steps * sum(words) / len(words)
    return total


@given(
    st.lists(st.lists(LENGTHS, min_size=1, max_size=6), min_size=1, max_size=3),
    st.sampled_from([0.0, 50.0, 1e6]),
)
@settings(max_examples=60)
def test_every_batch_fits_and_no_other_small_shape_costs_less(batches, steps):
    tasks = [make_task(of_task, steps) for of_task in batches]
    rows, shapes = choose_padding(tasks)
    assert rows == max(len(task.most.lengths) for task in tasks)
    assert 1 <= len(shapes) <= 2
    assert all(fit(needs.shape(rows), shapes) for task in tasks for needs in (*task.batches, task.most))
    assert {shape.packed_words for shape in shapes} <= set(LADDER)
    largest = shapes[-1]
    if steps:
        # All sizes of a shape follow from its packed words.
        ratio = [size / largest.packed_words for size in largest]
        for words in [size for size in LADDER if size < largest.packed_words]:
            n = math.ceil(math.ceil(2.5 * words / rows) / 8) * 8
            other = Shape(n, words, words, round(ratio[3] * words))
            assert cost(tasks, rows, shapes) <= cost(tasks, rows, (other, largest)) + 1e-3
        assert cost(tasks, rows, shapes) <= cost(tasks, rows, (largest,)) + 1e-3


def test_a_short_run_gets_one_shape_and_a_long_one_two():
    batches = [[5] * 10, [6] * 10, [40] * 10]
    [shape] = choose_padding([make_task(batches, 10.0)]).shapes
    assert shape == (128, 512, 512, 4 * 512)
    assert choose_padding([make_task(batches, 1e6)]).shapes == ((24, 80, 80, 4 * 80), shape)


def test_other_sentences_of_about_the_same_lengths_get_few_other_shapes():
    random = np.random.default_rng(0)
    draw = lambda: np.sort(random.gamma(6.0, 2.0, 950).astype(int)).reshape(50, 19).tolist()
    assert len({choose_padding([make_task(draw())]) for _ in range(20)}) <= 3


def test_task_models_are_padded_together():
    short, long = make_task([[4] * 6] * 3), make_task([[30] * 9] * 3)
    rows, shapes = choose_padding([short, long])
    assert rows == 9
    assert fit(short.batches[0].shape(9), shapes) == shapes[0] != shapes[-1]
    assert choose_padding([long]).shapes == shapes[1:]


def test_parts_share_the_words_of_a_batch():
    task = make_task([[20] * 8] * 4)
    whole, parts = choose_padding([task]), choose_padding([task], parts=4)
    assert whole.rows == parts.rows == 8
    assert parts.shapes[-1].packed_words < whole.shapes[-1].packed_words / 2
    assert choose_padding([make_task([[20] * 9])], parts=4).rows == 12
    assert all(fit(task.most.shape(8, 4), parts.shapes) for _ in range(1))


def test_fit_takes_the_first_shape_that_holds_all():
    shapes = Shape(4, 16, 16, 64), Shape(8, 32, 16, 128), Shape(20, 64, 64, 640)
    assert fit(Shape(4, 16, 16, 64), shapes) == shapes[0]
    assert fit(Shape(4, 17, 3, 5), shapes) == shapes[1]
    assert fit(Shape(1, 1, 17, 1), shapes) == shapes[2]
    with pytest.raises(StopIteration):
        fit(Shape(21, 1, 1, 1), shapes)
