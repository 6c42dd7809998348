"""The figure that a task model is judged by."""

import pytest
import tiny_corpus
from config_edits import edited

from mlmt_jax.config import parse_config
from mlmt_jax.training.run_scores import headline


@pytest.mark.parametrize(("metric", "expected"), [("auto", 0.25), ("span_f1", 0.25), ("accuracy", 0.75)])
def test_headline_follows_the_metric(metric: str, expected: float) -> None:
    config = parse_config(edited(tiny_corpus.config(), {"tasks.0.metric": metric}))
    score = {"f1": 0.25, "lenient_f1": 0.9, "accuracy": 0.75}
    assert headline(config, "nld ner", score) == expected


def test_headline_of_a_task_without_spans_is_accuracy() -> None:
    config = parse_config(tiny_corpus.config())
    assert headline(config, "nld pos", {"f1": None, "lenient_f1": None, "accuracy": 0.75}) == 0.75
