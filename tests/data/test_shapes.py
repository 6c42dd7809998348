"""The shapes of training batches: they hold every batch, and no other choice costs less."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmt_jax.data.shapes import PaddedSizes, choose_shapes, fit

NEEDED = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 40), st.integers(0, 150)), min_size=1, max_size=8
)


def all_choices(largest: int, multiple: int, most: int) -> list[tuple[int, ...]]:
    """Every choice of sizes on the grid whose last is the smallest that holds the largest need."""
    top = next(size for size in range(multiple, 200, multiple) if size >= largest)
    below = range(multiple, top, multiple)
    return [(*chosen, top) for count in range(most) for chosen in combinations(below, count)]


def cost(needed, rows: int, steps: float, sizes: PaddedSizes) -> float:
    """Microseconds of a run: 8.6 a place, 20 and 0.13 a character a distinct word, 5.5 million a program."""
    fitted = [tuple(fit(size, own) for size, own in zip(need, sizes, strict=True)) for need in needed]
    shapes = [(n, c, min(u, rows * n)) for n, c, u in fitted]
    computed = sum(8.6 * rows * n + u * (20 + 0.13 * c) for n, c, u in shapes) / len(shapes)
    return computed * steps + 5.5e6 * len(set(shapes))


@given(NEEDED, st.integers(1, 30), st.sampled_from([0.0, 10.0, 3000.0, 1_000_000.0]))
@settings(max_examples=40, deadline=None)
def test_no_other_choice_of_sizes_costs_less(needed, rows, steps):
    chosen = choose_shapes(needed, rows, steps)
    words, characters, distinct = zip(*needed, strict=True)
    choices = [
        PaddedSizes(w, c, u)
        for w in all_choices(max(words), 4, 2)
        for c in all_choices(max(characters), 8, 2)
        for u in all_choices(max(distinct), 32, 3)
    ]
    assert chosen in choices
    least = min(cost(needed, rows, steps, choice) for choice in choices)
    assert cost(needed, rows, steps, chosen) == pytest.approx(least)


def test_a_task_that_is_hardly_drawn_gets_one_program_and_one_drawn_often_several():
    needed = [(8, 10, 60), (20, 12, 200), (60, 40, 600)] * 5
    assert choose_shapes(needed, 19, 30.0) == ((60,), (40,), (608,))
    assert choose_shapes(needed, 19, 1e7) == ((20, 60), (16, 40), (64, 224, 608))


def test_many_sizes_are_chosen_from_quickly_and_hold_every_batch():
    needed = [(i, i, 7 * i) for i in range(1, 200)]
    sizes = choose_shapes(needed, 19, 1e6)
    assert [own[-1] for own in sizes] == [200, 200, 1408]


def test_fit_takes_the_smallest_size_that_holds():
    assert [fit(size, (4, 8, 20)) for size in (0, 4, 5, 8, 9, 20)] == [4, 4, 8, 8, 20, 20]
