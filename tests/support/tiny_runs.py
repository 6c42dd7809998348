"""Runs on the tiny corpus: training them, breaking them, and reading what they leave in their folders."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import tiny_corpus
from config_edits import edited
from stored_checkpoints import assert_same_arrays

from mlmt_jax.config import load_config
from mlmt_jax.runs.checkpoints import Checkpoints
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.progress import Progress
from mlmt_jax.train import main
from mlmt_jax.training import loop
from mlmt_jax.training.replica_group import Leaves
from mlmt_jax.training.setup import Setup, prepare_replicas
from mlmt_jax.training.state import RunState

TIMES = ("seconds", "sentences_per_second")


def sampled_config(**training: Any) -> dict[str, Any]:
    """Return a config of one task model with a sample of five sentences, so that replicas differ in words.

    Args:
        training: values of the block `training`.
    """
    data = tiny_corpus.lean("afr ner", **{"max_step": 8, "eval_freq": 4, **training})
    return edited(data, {"datasets.0.sample": 5, "tasks.0.model.lstm_dropout": 0.3})


def train_run(corpus: Path, data: dict[str, Any], name: str, *options: str) -> Path:
    """Train a config; return the run folder, which is beside the folder of the corpus.

    Args:
        corpus: folder of the corpus, to which the config is written as ``name.json``.
        data: the config.
        name: name of the run folder.
        options: further arguments of the command line.
    """
    config = tiny_corpus.write_config(corpus, data, f"{name}.json")
    folder = corpus.parent / name
    main([str(config), "--output", str(folder), *options])
    return folder


def read_json(folder: Path, name: str) -> Any:
    """Read a JSON file of a run folder."""
    return json.loads((folder / name).read_text(encoding="utf-8"))


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Read the records of all evaluations of a run."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def read_files(folder: Path) -> dict[Path, bytes]:
    """Read all files of a run."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def poison(states: list[Leaves], replica: int, value: float = np.nan) -> list[Leaves]:
    """Return the states with all floating-point numbers of a replica replaced by a value."""
    replace = lambda x: x.at[replica].set(value) if x.dtype == np.float32 else x
    # One program each: several processes share an array only through programs.
    return [jax.jit(partial(jax.tree.map, replace))(leaves) for leaves in states]


def script_scores(monkeypatch: pytest.MonkeyPatch, scores: list[float]) -> None:
    """Replace the development scores of evaluations, in the order in which replicas are evaluated."""
    values = iter(scores)
    monkeypatch.setattr(loop, "headline", lambda config, task, score: next(values))


def newest_state(setup: Setup, folder: RunFolder) -> tuple[RunState, Progress]:
    """Restore the newest state of a run, which must be sound."""
    checkpoints = Checkpoints(folder.checkpoints, folder.id)
    stored = checkpoints.stored_states()[0]
    assert stored.progress is not None
    state = checkpoints.restore_state(stored.step, setup.shapes)
    checkpoints.close()
    return state, stored.progress


def newest_states(corpus: Path, folder: Path, replicas: int) -> list[tuple[RunState, Progress]]:
    """Restore the newest state of each replica of a run of ``train_run``."""
    setups = prepare_replicas(load_config(corpus / f"{folder.name}.json", [f"training.replicas={replicas}"]))
    return list(map(newest_state, setups, RunFolder(folder).runs(replicas)))


def assert_same_end(corpus: Path, folder: Path, other: Path, replicas: int) -> None:
    """Check that states, progress and metrics of two runs of replicas are equal to the last bit."""
    ends = zip(newest_states(corpus, folder, replicas), newest_states(corpus, other, replicas), strict=True)
    for number, ((state, progress), (other_state, other_progress)) in enumerate(ends):
        assert_same_arrays(state, other_state)
        assert progress._replace(seconds=0) == other_progress._replace(seconds=0)
        records, other_records = (
            [
                {key: value for key, value in record.items() if key not in TIMES}
                for record in read_metrics(run / "replicas" / str(number))
            ]
            for run in (folder, other)
        )
        assert records == other_records
