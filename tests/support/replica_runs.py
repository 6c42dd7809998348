"""Runs of replicas on the tiny corpus, and what they leave."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import tiny_corpus
from config_edits import edited

from mlmt_jax.config import load_config
from mlmt_jax.runs.checkpoints import Checkpoints
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.progress import Progress
from mlmt_jax.train import main
from mlmt_jax.training import loop
from mlmt_jax.training.replica_group import Leaves
from mlmt_jax.training.setup import Setup, prepare_replicas
from mlmt_jax.training.state import RunState


def sampled(**training: Any) -> dict[str, Any]:
    """Return a config of the target alone with five of its sentences: samples differ in words and characters."""
    data = tiny_corpus.lean("afr ner", max_step=8, eval_freq=4, **training)
    return edited(data, {"datasets.0.sample": 5, "tasks.0.model.lstm_dropout": 0.3})


def trained(corpus: Path, data: dict[str, Any], name: str, *options: str) -> Path:
    """Train a config; return the run folder, which stands beside the corpus."""
    config = tiny_corpus.write_config(corpus, data, f"{name}.json")
    folder = corpus.parent / name
    main([str(config), "--output", str(folder), *options])
    return folder


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def poisoned(states: list[Leaves], replica: int, value: float = np.nan) -> list[Leaves]:
    """Return the states with a value that is not finite in place of all numbers of a replica."""
    poison = lambda x: x.at[replica].set(value) if x.dtype == np.float32 else x
    # One program each: several processes share an array only through programs.
    return [jax.jit(partial(jax.tree.map, poison))(leaves) for leaves in states]


def newest_state(setup: Setup, folder: RunFolder) -> tuple[RunState, Progress]:
    """Restore the newest state of a run, which must be sound."""
    checkpoints = Checkpoints(folder.checkpoints, folder.id)
    stored = checkpoints.stored_states()[0]
    assert stored.progress is not None
    state = checkpoints.restore_state(stored.step, setup.shapes)
    checkpoints.close()
    return state, stored.progress


def last_states(corpus: Path, folder: Path, count: int) -> list[tuple[RunState, Progress]]:
    """Restore the newest state of each replica of a run."""
    setups = prepare_replicas(load_config(corpus / f"{folder.name}.json", [f"training.replicas={count}"]))
    return list(map(newest_state, setups, RunFolder(folder).runs(count)))


def assert_same_end(corpus: Path, folder: Path, other: Path, count: int) -> None:
    """Check that states, progress and metrics of two runs of replicas are equal to the last bit."""
    ends = zip(last_states(corpus, folder, count), last_states(corpus, other, count), strict=True)
    for number, ((state, progress), (other_state, other_progress)) in enumerate(ends):
        jax.tree.map(np.testing.assert_array_equal, state, other_state)
        assert progress._replace(seconds=0) == other_progress._replace(seconds=0)
        timed = ("seconds", "sentences_per_second")
        records, other_records = (
            [
                {key: value for key, value in record.items() if key not in timed}
                for record in metrics(run / "replicas" / str(number))
            ]
            for run in (folder, other)
        )
        assert records == other_records


def scripted(monkeypatch: pytest.MonkeyPatch, scores: list[float]) -> None:
    """Replace the scores of evaluations, in the order in which replicas are evaluated."""
    values = iter(scores)
    monkeypatch.setattr(loop, "headline", lambda config, task, score: next(values))
