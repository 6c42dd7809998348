"""Which task is drawn how often."""

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
from mlmt_jax.training.plan import draw_task, plan_steps, task_weights

SENTENCES = {"nld ner": 49, "afr ner": 400, "nld pos": 900, "afr pos": 10_000}


def config_of(**training: Any) -> Config:
    data = tiny_corpus.config()
    data["training"] = {"max_step": 1, **training}
    for task, prob in zip(data["tasks"], (2.0, 0.0, 5.0, 1.0), strict=True):
        task["prob"] = prob
    return parse_config(data)


def test_the_rule() -> None:
    # sqrt(N), a tenth for another task than the target's, a tenth for another language
    factors = {"nld ner": 7 * 1.0, "afr ner": 20 * 0.1, "nld pos": 30 * 0.1, "afr pos": 100 * 0.01}
    weights = task_weights(config_of(), SENTENCES)
    assert list(weights) == list(SENTENCES)
    assert weights == pytest.approx({name: factor / 13.0 for name, factor in factors.items()})


def test_the_factors_are_the_configs() -> None:
    config = config_of(aux_task_weight=0.5, aux_language_weight=3.0)
    factors = {"nld ner": 7.0, "afr ner": 60.0, "nld pos": 15.0, "afr pos": 150.0}
    total = sum(factors.values())
    weights = task_weights(config, SENTENCES)
    assert weights == pytest.approx({name: factor / total for name, factor in factors.items()})


def test_the_tasks_own_weights() -> None:
    weights = task_weights(config_of(mixing="prob"), SENTENCES)
    assert weights == pytest.approx({"nld ner": 0.25, "afr ner": 0, "nld pos": 0.625, "afr pos": 0.125})


@pytest.mark.parametrize("mixing", ["sqrt", "prob"])
def test_a_task_without_sentences_is_never_drawn(mixing: str) -> None:
    weights = task_weights(config_of(mixing=mixing), {**SENTENCES, "nld pos": 0})
    assert weights["nld pos"] == 0
    assert sum(weights.values()) == pytest.approx(1)
    assert "nld pos" not in {draw_task(weights, step) for step in range(500)}


def test_nothing_to_draw() -> None:
    assert set(task_weights(config_of(), dict.fromkeys(SENTENCES, 0)).values()) == {0.0}


def test_draws_follow_the_weights() -> None:
    weights = {"a": 0.6, "b": 0.0, "c": 0.3, "d": 0.1}
    count = 8000
    drawn = Counter(draw_task(weights, step) for step in range(count))
    for name, weight in weights.items():
        spread = np.sqrt(count * weight * (1 - weight))
        assert abs(drawn[name] - count * weight) <= 4 * spread


def test_a_draw_is_a_function_of_the_step() -> None:
    weights = {"a": 0.5, "b": 0.5}
    forwards = [draw_task(weights, step) for step in range(64)]
    backwards = [draw_task(weights, step) for step in reversed(range(64))]
    assert forwards == backwards[::-1]
    assert forwards[:32] != forwards[32:]


def test_the_very_start_of_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np.random, "default_rng", lambda seed: SimpleNamespace(random=lambda: 0.0))
    assert draw_task({"a": 0.0, "b": 0.2, "c": 0.8}, 1) == "b"


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from([0.0, 1e-12, 0.3, 1.0, 1e6]), min_size=1, max_size=6).filter(any),
    st.integers(0, 10**9),
)
def test_what_has_no_weight_is_never_drawn(values: list[float], step: int) -> None:
    weights = {str(i): value for i, value in enumerate(values)}
    assert weights[draw_task(weights, step)] > 0


def test_a_plan_continues_from_a_step() -> None:
    weights = {"a": 0.3, "b": 0.7}
    plan = list(itertools.islice(plan_steps(weights, 0, {"a": 0, "b": 0}), 50))
    assert [planned.step for planned in plan] == list(range(50))
    assert [planned.task for planned in plan] == [draw_task(weights, step) for step in range(50)]
    task_steps = {task: sum(planned.task == task for planned in plan[:20]) for task in weights}
    assert list(itertools.islice(plan_steps(weights, 20, task_steps), 30)) == plan[20:]
