"""The plan of a run: the weights of task models, their draws, and the end of the run."""

import itertools
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmt_jax.config import Config, parse_config
from mlmt_jax.training.plan import RunLength, draw_task, plan_steps, task_weights

SENTENCES = {"nld ner": 49, "afr ner": 400, "nld pos": 900, "afr pos": 10_000}


def parse(**training: Any) -> Config:
    """Return the tiny config with ``prob`` in its tasks, and with values of the block `training`."""
    data = tiny_corpus.config()
    data["training"] = {"max_step": 1, **training}
    for task, prob in zip(data["tasks"], (2.0, 0.0, 5.0, 1.0), strict=True):
        task["prob"] = prob
    return parse_config(data)


def test_default_weights_follow_the_published_rule() -> None:
    # sqrt(N), a tenth for another task than the target's, a tenth for another language
    factors = {"nld ner": 7 * 1.0, "afr ner": 20 * 0.1, "nld pos": 30 * 0.1, "afr pos": 100 * 0.01}
    weights = task_weights(parse(), SENTENCES)
    assert list(weights) == list(SENTENCES)
    assert weights == pytest.approx({name: factor / 13.0 for name, factor in factors.items()})


def test_weights_use_the_factors_of_the_config() -> None:
    config = parse(aux_task_weight=0.5, aux_language_weight=3.0)
    factors = {"nld ner": 7.0, "afr ner": 60.0, "nld pos": 15.0, "afr pos": 150.0}
    total = sum(factors.values())
    weights = task_weights(config, SENTENCES)
    assert weights == pytest.approx({name: factor / total for name, factor in factors.items()})


def test_weights_of_mixing_prob_are_those_of_the_tasks() -> None:
    weights = task_weights(parse(mixing="prob"), SENTENCES)
    assert weights == pytest.approx({"nld ner": 0.25, "afr ner": 0, "nld pos": 0.625, "afr pos": 0.125})


@pytest.mark.parametrize("mixing", ["sqrt", "prob"])
def test_task_without_sentences_is_never_drawn(mixing: str) -> None:
    weights = task_weights(parse(mixing=mixing), {**SENTENCES, "nld pos": 0})
    assert weights["nld pos"] == 0
    assert sum(weights.values()) == pytest.approx(1)
    assert "nld pos" not in {draw_task(weights, step) for step in range(500)}


def test_weights_without_any_sentences_are_0() -> None:
    assert set(task_weights(parse(), dict.fromkeys(SENTENCES, 0)).values()) == {0.0}


def test_draws_follow_the_weights() -> None:
    weights = {"a": 0.6, "b": 0.0, "c": 0.3, "d": 0.1}
    count = 8000
    draws = Counter(draw_task(weights, step) for step in range(count))
    for name, weight in weights.items():
        standard_deviation = np.sqrt(count * weight * (1 - weight))
        assert abs(draws[name] - count * weight) <= 4 * standard_deviation


def test_draw_depends_on_the_step_alone() -> None:
    weights = {"a": 0.5, "b": 0.5}
    forwards = [draw_task(weights, step) for step in range(64)]
    backwards = [draw_task(weights, step) for step in reversed(range(64))]
    assert forwards == backwards[::-1]
    assert forwards[:32] != forwards[32:]


def test_draw_of_0_skips_a_task_without_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np.random, "default_rng", lambda seed: SimpleNamespace(random=lambda: 0.0))
    assert draw_task({"a": 0.0, "b": 0.2, "c": 0.8}, 1) == "b"


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from([0.0, 1e-12, 0.3, 1.0, 1e6]), min_size=1, max_size=6).filter(any),
    st.integers(0, 10**9),
)
def test_task_without_weight_is_never_drawn(values: list[float], step: int) -> None:
    weights = {str(i): value for i, value in enumerate(values)}
    assert weights[draw_task(weights, step)] > 0


def test_plan_from_a_later_step_is_the_tail_of_the_whole_plan() -> None:
    weights, task_steps = {"a": 0.3, "b": 0.7}, {"a": 0, "b": 0}
    plan = list(itertools.islice(plan_steps(weights, 0, task_steps), 50))
    assert [planned.step for planned in plan] == list(range(50))
    assert [planned.task for planned in plan] == [draw_task(weights, step) for step in range(50)]
    for task in weights:
        counts = [planned.task_step for planned in plan if planned.task == task]
        assert counts == list(range(len(counts)))
    assert task_steps == {"a": 0, "b": 0}  # Arguments are not changed.
    for step in (1, 20, 49):
        earlier = Counter(planned.task for planned in plan[:step])
        tail = plan_steps(weights, step, {task: earlier[task] for task in weights})
        assert list(itertools.islice(tail, 50 - step)) == plan[step:]


@pytest.mark.parametrize(
    ("length", "step", "target_step", "is_over"),
    [
        (RunLength(10, "a", None), 9, 9, False),
        (RunLength(10, "a", None), 10, 0, True),
        (RunLength(None, "a", 4), 100, 3, False),
        (RunLength(None, "a", 4), 100, 4, True),
        (RunLength(10, "a", 4), 9, 3, False),
        (RunLength(10, "a", 4), 10, 3, True),
        (RunLength(10, "a", 4), 9, 4, True),
    ],
)
def test_run_is_over_at_the_first_limit(
    length: RunLength, step: int, target_step: int, is_over: bool
) -> None:
    assert length.is_over(step, {"a": target_step, "b": 1000}) == is_over


def test_expected_steps_are_those_of_the_first_limit() -> None:
    weights = {"a": 0.25, "b": 0.75}
    assert RunLength(10, "a", None).expected_steps(weights) == 10
    assert RunLength(None, "a", 4).expected_steps(weights) == 16
    assert RunLength(10, "a", 4).expected_steps(weights) == 10
    assert RunLength(20, "a", 4).expected_steps(weights) == 16
