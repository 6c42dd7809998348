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
from mlmt_jax.train import main
from mlmt_jax.training import run
from mlmt_jax.training.fleet import Fleet
from mlmt_jax.training.replica_group import Group
from mlmt_jax.training.setup import prepare_replicas


def sampled(**training: Any) -> dict[str, Any]:
    """The target alone with five of its sentences: samples differ in their words and characters."""
    data = tiny_corpus.lean("afr ner", max_step=8, eval_freq=4, **training)
    return edited(data, {"datasets.0.sample": 5, "tasks.0.model.lstm_dropout": 0.3})


def trained(corpus: Path, data: dict[str, Any], name: str, *options: str) -> Path:
    config = tiny_corpus.write_config(corpus, data, f"{name}.json")
    folder = corpus.parent / name
    main([str(config), "--output", str(folder), *options])
    return folder


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def poison(fleet: Fleet, replica: int, value: float = np.nan) -> None:
    """Puts a value that is not finite in the place of all numbers of a replica."""
    lose = lambda x: x.at[replica].set(value) if x.dtype == np.float32 else x
    # One program each: that is how several processes share an array.
    fleet.arrays = [jax.jit(partial(jax.tree.map, lose))(arrays) for arrays in fleet.arrays]


def last_states(corpus: Path, folder: Path, count: int) -> list[Any]:
    setups = prepare_replicas(load_config(corpus / f"{folder.name}.json", [f"training.replicas={count}"]))
    group, states = Group(setups), []
    for r in range(count):
        own = RunFolder(folder).replica(r)
        checkpoints = Checkpoints(own.checkpoints, own.id)
        found = checkpoints.restore_last(group.own_shapes(r))
        checkpoints.close()
        assert found is not None
        states.append(found)
    return states


def assert_same_end(corpus: Path, folder: Path, other: Path, count: int) -> None:
    """Equal to the last bit, arrays and scores."""
    for r, (a, b) in enumerate(
        zip(last_states(corpus, folder, count), last_states(corpus, other, count), strict=True)
    ):
        jax.tree.map(np.testing.assert_array_equal, a.state, b.state)
        assert a.progress._replace(seconds=0) == b.progress._replace(seconds=0)
        ours, theirs = (metrics(one / "replicas" / str(r)) for one in (folder, other))
        timed = ("seconds", "sentences_per_second")
        assert [{k: v for k, v in record.items() if k not in timed} for record in ours] == [
            {k: v for k, v in record.items() if k not in timed} for record in theirs
        ]


def scripted(monkeypatch: pytest.MonkeyPatch, scores: list[float]) -> None:
    """Gives the evaluations of runs that go on these scores, in their order."""
    values = iter(scores)
    monkeypatch.setattr(run, "headline", lambda config, task, score: next(values))
