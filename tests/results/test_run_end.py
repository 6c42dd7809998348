"""The end of a training: what it writes beside the summary."""

from typing import Any

import tiny_corpus
from tiny_runs import read_json, train_run


def test_evaluation_of_a_run_agrees_with_its_summary(tiny_run: Any) -> None:
    summary, record = (
        read_json(tiny_run.folder, "summary.json"),
        read_json(tiny_run.folder, "evaluation.json"),
    )
    assert record["best_step"] == summary["best_step"]
    target = summary["target"]
    splits = summary["scores"][target]
    assert list(record["scores"]) == [target]
    assert list(record["scores"][target]) == list(splits) == ["dev", "test"]
    for split, score in splits.items():
        keys = ("f1", "lenient_f1", "accuracy")
        assert [record["scores"][target][split][key] for key in keys] == [score[key] for key in keys]


def test_each_replica_has_its_evaluation(tiny_config: Any, tmp_path: Any) -> None:
    corpus = tiny_corpus.write_corpus(tmp_path / "corpus").parent
    folder = train_run(corpus, tiny_corpus.lean("afr ner", max_step=8, eval_freq=4, replicas=2), "run")
    summary = read_json(folder, "summary.json")
    for number in (0, 1):
        record = read_json(folder / "replicas" / str(number), "evaluation.json")
        assert record["best_step"] == summary["replicas"][number]["best_step"]
        expected = summary["replicas"][number]["scores"]["afr ner"]["test"]["f1"]
        assert record["scores"]["afr ner"]["test"]["f1"] == expected
