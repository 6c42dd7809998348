"""Shapes of training batches: every batch fits one, and no other choice costs less."""

import math
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmt_jax.batches.shapes import Shape, choose_shapes, fit

SIZES = st.tuples(st.integers(0, 30), st.integers(0, 300), st.integers(0, 150), st.integers(0, 900))
NEEDED = st.lists(SIZES.map(lambda sizes: Shape(*sizes)), min_size=1, max_size=7)


def rounded(need, margins=(1, 1, 1, 1)) -> Shape:
    """Round up to multiples of 4 words per sentence, 16 packed and distinct words, 64 characters."""
    sizes = zip(need, margins, (4, 16, 16, 64), strict=True)
    return Shape(
        *(math.ceil(max(size * margin, 1) / multiple) * multiple for size, margin, multiple in sizes)
    )


def cost(needed, rows: int, steps: float, shapes) -> float:
    """Return the microseconds of a run: of padded, packed and distinct words, characters, and programs."""
    each = (rows * 1.0, 30.0, 6.0, 0.6)
    computed = [sum(a * b for a, b in zip(each, fit(need, shapes), strict=True)) for need in needed]
    return sum(computed) / len(computed) * steps + 5.5e6 * len(shapes)


@given(NEEDED, st.integers(1, 30), st.sampled_from([0.0, 10.0, 3000.0, 1_000_000.0]))
@settings(max_examples=60)
def test_no_other_choice_of_shapes_costs_less(needed, rows, steps):
    most = Shape(*map(max, zip(*needed, strict=True)))
    chosen = choose_shapes(needed, most, rows, steps)
    limit = rounded(most)
    sizes = [
        Shape(*map(min, zip(rounded(need, (1, 1.03, 1.05, 1.05)), limit, strict=True))) for need in needed
    ]
    choices = []
    for count in range(4):
        for cuts in combinations(sorted({size.packed_words for size in sizes}), count):
            groups = [[size for size in sizes if size.packed_words <= cut] for cut in cuts]
            divided = [Shape(*map(max, zip(*some, strict=True))) for some in groups]
            choices.append((*(shape for shape in divided if shape != limit), limit))
    assert chosen in choices
    least = min(cost(sizes, rows, steps, choice) for choice in choices)
    assert cost(sizes, rows, steps, chosen) == pytest.approx(least)
    assert all(fit(need, chosen) in chosen for need in needed)


def test_a_rarely_trained_task_gets_one_shape_and_a_frequent_one_several():
    needed = [Shape(8, 90, 60, 300), Shape(20, 300, 200, 1000), Shape(60, 800, 600, 3000)] * 5
    [shape] = choose_shapes(needed, needed[2], 19, 30.0)
    assert shape == (60, 800, 608, 3008)
    assert choose_shapes(needed, needed[2], 19, 1e7) == ((8, 96, 64, 320), (20, 320, 224, 1088), shape)


def test_the_last_shape_fits_batches_that_the_first_epoch_does_not_have():
    needed, most = [Shape(8, 90, 60, 300)] * 5, Shape(40, 500, 480, 3000)
    small, large = choose_shapes(needed, most, 19, 3000.0)
    assert small == (8, 96, 64, 320)
    assert large == (40, 512, 480, 3008)
    assert fit(Shape(9, 90, 60, 300), (small, large)) == large


def test_many_sizes_give_few_shapes():
    needed = [Shape(i, 19 * i, 15 * i, 80 * i) for i in range(1, 200)]
    shapes = choose_shapes(needed, needed[-1], 19, 1e6)
    assert len(shapes) == 4
    assert shapes[-1] == rounded(needed[-1])


def test_fit_takes_the_first_shape_that_holds_all():
    shapes = Shape(4, 16, 16, 64), Shape(8, 32, 16, 128), Shape(20, 64, 64, 640)
    assert fit(Shape(4, 16, 16, 64), shapes) == shapes[0]
    assert fit(Shape(4, 17, 3, 5), shapes) == shapes[1]
    assert fit(Shape(1, 1, 17, 1), shapes) == shapes[2]
    with pytest.raises(StopIteration):
        fit(Shape(21, 1, 1, 1), shapes)
