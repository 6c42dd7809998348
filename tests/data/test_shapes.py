"""The shapes of training batches: they hold every batch, and no other choice costs less."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmt_jax.data.shapes import choose_shapes, fit

NEEDED = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40)), min_size=1, max_size=12)


def all_choices(largest: int, multiple: int, most: int) -> list[tuple[int, ...]]:
    """Every choice of sizes on the grid whose last is the smallest that holds the largest need."""
    top = next(size for size in range(multiple, 100, multiple) if size >= largest)
    below = range(multiple, top, multiple)
    return [(*chosen, top) for count in range(most) for chosen in combinations(below, count)]


def cost(needed, rows: int, steps: float, words: tuple[int, ...], characters: tuple[int, ...]) -> float:
    """Words computed in a run, a word of c characters as (1 + c / 60), and 70,000 for each program."""
    shapes = [(fit(n, words), fit(c, characters)) for n, c in needed]
    computed = sum(n * (1 + c / 60) for n, c in shapes) / len(shapes)
    return computed * rows * steps + 70_000 * len(set(shapes))


@given(NEEDED, st.integers(1, 30), st.sampled_from([0.0, 10.0, 1000.0, 100_000.0]))
@settings(max_examples=60, deadline=None)
def test_no_other_choice_of_sizes_costs_less(needed, rows, steps):
    words, characters = choose_shapes(needed, rows, steps)
    choices = [
        (w, c)
        for w in all_choices(max(n for n, _ in needed), 4, 3)
        for c in all_choices(max(c for _, c in needed), 8, 2)
    ]
    assert (words, characters) in choices
    least = min(cost(needed, rows, steps, *choice) for choice in choices)
    assert cost(needed, rows, steps, words, characters) == pytest.approx(least)


def test_a_task_that_is_hardly_drawn_gets_one_program_and_one_drawn_often_several():
    needed = [(8, 10), (20, 12), (60, 40)] * 5
    assert choose_shapes(needed, 19, 30.0) == ((60,), (40,))
    words, characters = choose_shapes(needed, 19, 100_000.0)
    assert words == (8, 20, 60)
    assert characters == (16, 40)


def test_fit_takes_the_smallest_size_that_holds():
    assert [fit(size, (4, 8, 20)) for size in (0, 4, 5, 8, 9, 20)] == [4, 4, 8, 8, 20, 20]
