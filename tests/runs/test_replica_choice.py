"""The choice among the replicas of a run."""

import json
import shutil
from pathlib import Path

import pytest

from mlmt_jax.config import Config
from mlmt_jax.corpus.corpora import Corpus
from mlmt_jax.errors import RunError
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.metrics_file import append_metrics
from mlmt_jax.runs.replica_choice import best_score, choose_replica, usable_replicas
from mlmt_jax.runs.same_run import data_records


@pytest.fixture
def run(tmp_path: Path, config: Config, corpus: Corpus) -> RunFolder:
    """Return the folder of a run of three replicas that were not evaluated."""
    run = RunFolder(tmp_path / "run")
    training = config.training.model_copy(update={"replicas": 3})
    whole = config.model_copy(update={"training": training})
    run.create(whole, [(whole.replica(n), data_records(config, corpus)) for n in range(3)])
    return run


def add_score(folder: RunFolder, score: float) -> None:
    append_metrics(folder.metrics, {"step": 1, "best_score": score})


def add_divergence(folder: RunFolder) -> None:
    folder.write("diverged.json", {"step": 1, "message": "loss is nan"})


def replica_numbers(folders: list[RunFolder]) -> list[str]:
    return [folder.path.name for folder in folders]


def test_best_score_is_that_of_the_last_line(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert best_score(folder) is None
    for score in (0.5, 0.75):
        add_score(folder, score)
    append_metrics(folder.metrics, {"step": 3, "best_score": None})
    assert best_score(folder) == 0.75


def test_best_score_is_read_despite_unicode_line_breaks_in_a_name(tmp_path: Path) -> None:
    record = {"step": 1, "best_score": 0.5, "losses": {"a\u2028b\u2029\x85": 1.0}}
    (tmp_path / "metrics.jsonl").write_text(f"{json.dumps(record, ensure_ascii=False)}\n", encoding="utf-8")
    assert best_score(RunFolder(tmp_path)) == 0.5


def test_run_alone_is_its_only_replica(folder: RunFolder) -> None:
    assert choose_replica(folder, None) is choose_replica(folder, 0) is folder
    with pytest.raises(RunError, match="no replica 1; the run has 1, counted from 0"):
        choose_replica(folder, 1)
    with pytest.raises(RunError, match="no replicas; expected a run of several that were evaluated"):
        usable_replicas(folder)


def test_replica_with_the_best_score_is_chosen(run: RunFolder) -> None:
    for number, score in enumerate((0.25, 0.75, 0.5)):
        add_score(run.replica(number), score)
    assert choose_replica(run, None).path.name == "1"
    assert choose_replica(run, 2).path.name == "2"
    assert replica_numbers(usable_replicas(run)) == ["0", "1", "2"]
    for number in (-1, 3):
        with pytest.raises(RunError, match=f"no replica {number}; the run has 3, counted from 0"):
            choose_replica(run, number)


def test_diverged_replica_is_chosen_only_by_its_number(run: RunFolder) -> None:
    for number, score in enumerate((0.25, 0.75, 0.5)):
        add_score(run.replica(number), score)
    add_divergence(run.replica(1))
    assert choose_replica(run, None).path.name == "2"
    assert choose_replica(run, 1).path.name == "1"
    assert replica_numbers(usable_replicas(run)) == ["0", "2"]


def test_evaluated_replicas_are_usable_if_all_diverged(run: RunFolder) -> None:
    for number in range(3):
        add_divergence(run.replica(number))
    with pytest.raises(RunError, match="all replicas diverged before they were evaluated"):
        usable_replicas(run)
    add_score(run.replica(2), 0.5)
    assert replica_numbers(usable_replicas(run)) == ["2"]
    with pytest.raises(
        RunError, match=r"replica 1 diverged before it was evaluated;\n.*diverged\.json says how"
    ):
        choose_replica(run, 1)


def test_missing_or_unevaluated_replicas_are_refused(run: RunFolder) -> None:
    with pytest.raises(RunError, match="no replicas; expected a run of several that were evaluated"):
        usable_replicas(run)
    add_score(run.replica(0), 0.5)
    with pytest.raises(RunError, match=r"1/metrics\.jsonl: holds no score; expected one of each replica"):
        usable_replicas(run)
    shutil.rmtree(run.replica(2).path)
    with pytest.raises(RunError, match="replicas/2: is missing; expected the 3 replicas of the run"):
        usable_replicas(run)
