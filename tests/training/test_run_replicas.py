"""Runs of several replicas: each replica leaves what its run alone leaves."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from tiny_runs import read_json, read_metrics, sampled_config, script_scores, train_run

SEED = 3  # of the tiny config


def assert_same_scores(scores: Any, expected: Any) -> None:
    """Check that scores are equal, and losses up to the order of their sums."""
    assert jax.tree.structure(scores) == jax.tree.structure(expected)
    pairs = zip(jax.tree_util.tree_leaves_with_path(scores), jax.tree.leaves(expected), strict=True)
    for (path, value), expected_value in pairs:
        is_loss = jax.tree_util.keystr(path).endswith("['loss']")
        assert value == (pytest.approx(expected_value, rel=1e-5) if is_loss else expected_value), path


def test_each_replica_leaves_the_folder_of_a_run_alone(corpus: Path) -> None:
    folder = train_run(corpus, sampled_config(), "three", "--replicas", "3")
    singles = [train_run(corpus, sampled_config(seed=SEED + n), f"single{n}") for n in range(3)]
    summary = read_json(folder, "summary.json")
    summaries = [read_json(single, "summary.json") for single in singles]
    scores = [single["scores"] for single in summaries]
    assert_same_scores([replica["scores"] for replica in summary["replicas"]], scores)
    for n, single in enumerate(singles):
        replica = folder / "replicas" / str(n)
        assert read_json(replica, "samples.json") == read_json(single, "samples.json")
        assert read_json(replica, "vocab.json") == read_json(single, "vocab.json")
        assert read_json(replica, "config.json")["training"]["seed"] == SEED + n
        assert_same_scores(
            [record["scores"] for record in read_metrics(replica)],
            [record["scores"] for record in read_metrics(single)],
        )
    values = [score["afr ner"]["test"]["f1"] for score in scores]
    assert summary["statistics"]["afr ner"]["test"] == pytest.approx(
        {
            "runs": 3,
            "mean": np.mean(values),
            "standard_deviation": np.std(values, ddof=1),
            "minimum": min(values),
            "maximum": max(values),
        }
    )
    assert summary["best_replica"] == int(np.argmax([single["best_score"] for single in summaries]))
    samples = [read_json(single, "samples.json")["afr_ner"]["sentences"] for single in singles]
    assert len(set(map(tuple, samples))) == 3


def test_patience_ends_each_replica_alone(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Scores of the replicas that are still training: the first replica is best at once.
    script_scores(monkeypatch, [0.5, 0.1, 0.4, 0.2, 0.3, 0.3])
    data = sampled_config(patience=1, eval_freq=2, max_step=8)
    folder = train_run(corpus, data, "patient", "--replicas", "2")
    steps = [[record["step"] for record in read_metrics(folder / "replicas" / str(n))] for n in range(2)]
    assert steps == [[2, 4], [2, 4, 6, 8]]
    summary = read_json(folder, "summary.json")
    assert [replica["best_step"] for replica in summary["replicas"]] == [2, 6]
    assert [replica["steps"] for replica in summary["replicas"]] == [4, 8]
