"""Run folders with mutated bytes: they are refused with a message, or give the saved tagger and state."""

import shutil
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import jax
import numpy as np
import pytest
from campaign import run_campaign
from mutations import mutated, mutated_values

from mlmt_jax import Tagger
from mlmt_jax.config import Config, load_config
from mlmt_jax.runs.checkpoints import Checkpoints
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.resume_plan import check_start
from mlmt_jax.runs.same_run import check_same_run
from mlmt_jax.runs.survey import folder_contents
from mlmt_jax.training.loop import Start
from mlmt_jax.training.replica_set import ReplicaSet
from mlmt_jax.training.resume import resumed_start
from mlmt_jax.training.setup import Setup, prepare_replicas
from mlmt_jax.training.state import RunState
from mlmt_jax.training.summary import stored_summary

SENTENCES = [["Piet", "Smit", "woont", "in", "Gent", "."], ["Anna"], [], ["nooit", "gezien"]]
OTHERS = ("run.json", "metrics.jsonl", "summary.json")
KEEP = 2

Files = dict[Path, bytes]


@pytest.fixture
def run(tiny_run: Any, tmp_path: Path) -> Path:
    """Return a copy of the run folder, to mutate."""
    return Path(shutil.copytree(tiny_run.folder, tmp_path / "copy"))


def contents(run: Path) -> Files:
    """Return the bytes of all files of a run folder."""
    return {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}


def mend(good: Files) -> None:
    """Write the files that are missing or differ."""
    for path, data in good.items():
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)


def damage(path: Path, random: Random) -> bytes | None:
    """Mutate or delete a file; return its new bytes, None if it was deleted."""
    if random.random() < 0.03:
        path.unlink()
        return None
    by_value = path.suffix == ".json" and random.random() < 0.6
    data = (mutated_values if by_value else mutated)(path.read_bytes(), random)
    path.write_bytes(data)
    return data


def unchanged(good: Files, *names: Path) -> bool:
    """Return True if files, and all files in folders, have their original bytes."""
    paths = [path for path in good if any(path.is_relative_to(name) for name in names)]
    return all(path.exists() and path.read_bytes() == good[path] for path in paths)


def newest(folder: Path) -> Path:
    """Return the checkpoint of the last step."""
    return max(folder.iterdir(), key=lambda path: int(path.name))


def check_tagger(run: Path, good: Files, expected: list[list[str]]) -> None:
    """Load a tagger; its files must be the original ones, and its tags as expected."""
    tagger = Tagger.load(run)
    best = newest(run / "checkpoints" / "best")
    assert unchanged(good, run / "config.json", run / "vocab.json", best)
    assert tagger.tag(SENTENCES) == expected
    config, (_, schemes) = RunFolder(run).config(), RunFolder(run).vocabulary()
    assert tagger.tasks == tuple(task.name for task in config.tasks)
    for task in tagger.tasks:
        assert tagger.for_task(task).scheme == schemes[config.task(task).dataset]["scheme"]


def test_mutated_runs(run: Path) -> None:
    good, tags = contents(run), Tagger.load(run).tag(SENTENCES)
    best = [path for path in good if path.is_relative_to(run / "checkpoints" / "best")]

    def case(random: Random) -> tuple[Any, Callable[[], object]]:
        mend(good)
        names = ("config.json", "vocab.json", "vocab.json", "samples.json", *OTHERS)
        path = random.choice([*(run / name for name in names), *random.sample(best, 3)])
        return (path, damage(path, random)), partial(check_tagger, run, good, tags)

    run_campaign("runs", 0.04, case, seconds=60)


def resumed(run: Path, config: Config, setup: Setup) -> Start:
    """Return the start of a resumed run, as the command line finds it."""
    folder = RunFolder(run)
    check_start(folder_contents(folder), resume=True)
    folder.config()
    check_same_run(folder, config, [(config, setup.corpus)])
    with closing(Checkpoints(folder.checkpoints, folder.id, KEEP)) as checkpoints:
        start = resumed_start(ReplicaSet([setup]), [setup], [folder], [checkpoints])
    assert start is not None
    stored_summary(config, folder, start.progress[0])
    return start


def array_bytes(state: RunState) -> list[Any]:
    """Return shape, dtype and bytes of each array."""
    arrays = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    return [(array.shape, array.dtype, array.tobytes()) for array in arrays]


def test_mutated_runs_are_resumed(run: Path, tiny_run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    config = load_config(tiny_run.config)
    [setup] = prepare_replicas(config)
    good, last = contents(run), run / "checkpoints" / "last"
    with closing(Checkpoints(run / "checkpoints", RunFolder(run).id, KEEP)) as checkpoints:
        stored = checkpoints.stored_states()
        states = {s.step: array_bytes(checkpoints.restore_state(s.step, setup.shapes)) for s in stored}
    assert len(states) == KEEP
    progress = {state.step: state.progress for state in stored}
    files = [path for path in good if path.is_relative_to(run / "checkpoints")]

    def check() -> None:
        capsys.readouterr()
        start = resumed(run, config, setup)
        is_warned = "going on from step" in capsys.readouterr().err
        names = [run / name for name in ("config.json", "vocab.json", "samples.json")]
        step, best = start.step, start.progress[0].best_step
        assert unchanged(good, *names, last / str(step), run / "checkpoints" / "best" / str(best))
        assert array_bytes(start.states[0]) == states[step]
        # If no state has sound best parameters, the newest one is resumed as if there had been none.
        assert start.progress[0] == progress[step] or (best is None and is_warned)
        assert (step == max(states) and best is not None) == (not is_warned)

    def case(random: Random) -> tuple[Any, Callable[[], object]]:
        mend(good)
        names = ("config.json", "vocab.json", "samples.json", "samples.json", *OTHERS)
        path = random.choice([*(run / name for name in names), *random.sample(files, 6)])
        return (path, damage(path, random)), check

    run_campaign("resumed runs", 0.04, case, seconds=60)
