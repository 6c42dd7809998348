"""The summary of a run: statistics over replicas, and stored summaries."""

from pathlib import Path
from typing import Any

import pytest
import tiny_corpus

from mlmt_jax.config import Config, parse_config
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.progress import Progress
from mlmt_jax.training.summary import run_summary, statistics, stored_summary

SPLIT = {"f1": 0.5, "accuracy": 0.9}


@pytest.fixture
def config() -> Config:
    """Return the tiny config."""
    return parse_config(tiny_corpus.config())


def summary(best_step: int | None, best_score: float | None, f1: float = 0.5) -> dict[str, Any]:
    """Return the summary of a replica after 20 steps, as far as other functions read it."""
    splits = {"dev": {**SPLIT, "f1": f1}, "test": {**SPLIT, "f1": f1}}
    return {
        "best_step": best_step,
        "best_score": best_score,
        "steps": 20,
        "seconds": 1.5,
        "scores": dict.fromkeys(tiny_corpus.TASKS, splits),
    }


def test_statistics_are_of_the_headline_scores(config: Config) -> None:
    runs = [
        {"nld ner": {"dev": {"f1": f1, "accuracy": 0.9}}, "nld pos": {"dev": {"f1": None, "accuracy": 0.5}}}
        for f1 in (0.25, 0.75)
    ]
    both = statistics(config, runs)
    assert both["nld ner"]["dev"] == pytest.approx(
        {"runs": 2, "mean": 0.5, "standard_deviation": 0.125**0.5, "minimum": 0.25, "maximum": 0.75}
    )
    assert both["nld pos"]["dev"]["mean"] == 0.5
    assert statistics(config, runs[:1])["nld ner"]["dev"]["standard_deviation"] == 0.0


def test_run_summary_leaves_out_diverged_replicas(config: Config) -> None:
    summaries = [summary(10, 0.5), None, summary(10, 0.75, f1=0.75), summary(10, 0.9, f1=0.9)]
    run = run_summary(config, 20, summaries, {1: "loss is nan", 3: "loss is inf"})
    assert run is not None
    assert (run["best_replica"], run["steps"], run["seconds"]) == (2, 20, 1.5)
    assert run["statistics"]["nld ner"]["test"]["runs"] == 2
    assert run["statistics"]["nld ner"]["test"]["maximum"] == 0.75
    assert run["replicas"] == [summaries[0], {"diverged": "loss is nan"}, *summaries[2:]]
    assert run_summary(config, 20, summaries, {}) is None  # The summary of replica 1 is missing.
    assert run_summary(config, 20, [summary(10, 0.5)], {0: "loss is nan"}) is None


@pytest.mark.parametrize(
    ("progress_change", "is_current"),
    [
        ({}, True),
        ({"step": 30}, False),
        ({"best_score": 0.75}, False),
        ({"best_step": 15}, False),
    ],
)
def test_stored_summary_is_returned_only_if_current(
    config: Config, tmp_path: Path, progress_change: dict[str, Any], is_current: bool
) -> None:
    progress = Progress(20, {}, 10, 0.5, 1, 1.5, 20, {})._replace(**progress_change)
    folder = RunFolder(tmp_path)
    assert stored_summary(config, folder, progress) is None
    folder.write("summary.json", summary(10, 0.5))
    assert (stored_summary(config, folder, progress) is not None) == is_current


def test_stored_summary_may_have_a_best_evaluation_after_the_state(config: Config, tmp_path: Path) -> None:
    # The last step is no multiple of eval_freq: the stored state is from before its evaluation.
    progress = Progress(20, {}, 10, 0.5, 1, 1.5, 16, {})
    folder = RunFolder(tmp_path)
    folder.write("summary.json", summary(20, 0.75))
    assert stored_summary(config, folder, progress) == summary(20, 0.75)
