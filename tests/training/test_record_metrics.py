"""The records of evaluations in ``metrics.jsonl``."""

from typing import Any

import pytest
import tiny_corpus
from tiny_runs import newest_state, read_metrics

from mlmt_jax.config import load_config
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.training.setup import prepare


def test_each_evaluation_has_a_record(tiny_run: Any) -> None:
    records = read_metrics(tiny_run.folder)
    _, progress = newest_state(prepare(load_config(tiny_run.config)), RunFolder(tiny_run.folder))
    assert progress.window.keys() == {"finite"}  # for the message of a run that diverges
    assert progress.window["finite"].keys() == set(tiny_corpus.TASKS)
    assert [record["step"] for record in records] == [8, 16, 24]
    for record in records:
        assert sum(record["task_steps"].values()) == record["step"]
        assert set(record["scores"]) == set(tiny_corpus.TASKS)
        assert all(set(splits) == {"dev"} for splits in record["scores"].values())
        assert record["sentences_per_second"] > 0
        assert set(record["losses"]) == set(record["gradient_norms"]) <= set(tiny_corpus.TASKS)
        for name, steps in record["task_steps"].items():
            assert record["learning_rates"][name] == pytest.approx(0.2 * 0.9 ** (steps / 100))
    assert records[-1]["losses"]["nld ner"] < records[0]["losses"]["nld ner"]
