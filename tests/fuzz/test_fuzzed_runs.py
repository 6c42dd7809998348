"""Run folders with wrong bytes in them: refused in words, or the tagger and the state that were saved."""

import shutil
from collections.abc import Callable
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
from mlmt_jax.runs.checkpoints import Restored
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.training.run import Run
from mlmt_jax.training.setup import Setup, fresh_state, prepare_replicas
from mlmt_jax.training.state import RunState

SENTENCES = [["Piet", "Smit", "woont", "in", "Gent", "."], ["Anna"], [], ["nooit", "gezien"]]
OTHERS = ("run.json", "metrics.jsonl", "summary.json")
KEEP = 2

Files = dict[Path, bytes]


@pytest.fixture
def run(tiny_run: Any, tmp_path: Path) -> Path:
    """A copy of the run folder to break."""
    return Path(shutil.copytree(tiny_run.folder, tmp_path / "copy"))


def contents(run: Path) -> Files:
    return {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}


def mend(good: Files) -> None:
    for path, data in good.items():
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)


def damage(path: Path, random: Random) -> bytes | None:
    """Changes a file; gives what it holds then, None where it is gone."""
    if random.random() < 0.03:
        path.unlink()
        return None
    by_value = path.suffix == ".json" and random.random() < 0.6
    data = (mutated_values if by_value else mutated)(path.read_bytes(), random)
    path.write_bytes(data)
    return data


def unchanged(good: Files, *names: Path) -> bool:
    """Whether files, and all within folders, have every byte that they had."""
    own = [path for path in good if any(path.is_relative_to(name) for name in names)]
    return all(path.exists() and path.read_bytes() == good[path] for path in own)


def newest(folder: Path) -> Path:
    return max(folder.iterdir(), key=lambda path: int(path.name))


def sound_tagger(run: Path, good: Files, expected: list[list[str]]) -> None:
    tagger = Tagger.load(run)
    best = newest(run / "checkpoints" / "best")
    assert unchanged(good, run / "config.json", run / "vocab.json", best)
    assert tagger.tag(SENTENCES) == expected
    config, (_, schemes) = RunFolder(run).config(), RunFolder(run).vocabulary()
    assert tagger.tasks == tuple(task.name for task in config.tasks)
    for task in tagger.tasks:
        assert tagger.for_task(task).scheme == schemes[config.task(task).dataset]["scheme"]


def test_runs(run: Path) -> None:
    good, tags = contents(run), Tagger.load(run).tag(SENTENCES)
    best = [path for path in good if path.is_relative_to(run / "checkpoints" / "best")]

    def case(random: Random) -> tuple[Any, Callable[[], object]]:
        mend(good)
        names = ("config.json", "vocab.json", "vocab.json", "samples.json", *OTHERS)
        path = random.choice([*(run / name for name in names), *random.sample(best, 3)])
        return (path, damage(path, random)), partial(sound_tagger, run, good, tags)

    run_campaign("runs", 0.04, case, seconds=60)


def restored(run: Path, config: Config, setup: Setup, like: RunState, at_most: int | None = None) -> Restored:
    """What a resumed run goes on from, as the command line finds it."""
    folder = RunFolder(run)
    folder.check_free(resume=True)
    folder.check_same(config, [(config, setup.corpus)])
    resumed = Run(setup, folder, KEEP)
    try:
        found = resumed.restored(like, at_most)
    finally:
        resumed.checkpoints.close()
    assert found is not None
    resumed.go_on_from(found, found.progress.step)
    resumed.finished_summary()
    return found


def values(found: Restored) -> list[Any]:
    arrays = [np.asarray(leaf) for leaf in jax.tree.leaves(found.state)]
    return [found.progress, *((array.shape, array.dtype, array.tobytes()) for array in arrays)]


def test_resumed_runs(run: Path, tiny_run: Any) -> None:
    config = load_config(tiny_run.config)
    [setup] = prepare_replicas(config)
    like, good, last = fresh_state(setup), contents(run), run / "checkpoints" / "last"
    steps = sorted(int(path.name) for path in last.iterdir())
    whole = {step: values(restored(run, config, setup, like, step)) for step in steps}
    assert len(whole) == KEEP
    checkpoints = [path for path in good if path.is_relative_to(run / "checkpoints")]

    def sound() -> None:
        found = restored(run, config, setup, like)
        own = [run / name for name in ("config.json", "vocab.json", "samples.json")]
        step, best = found.progress.step, found.progress.best_step
        assert unchanged(good, *own, last / str(step), run / "checkpoints" / "best" / str(best))
        assert values(found)[1:] == whole[step][1:]
        # Without sound best parameters of any state, the newest one goes on as if there had been none.
        assert found.progress == whole[step][0] or (best is None and found.refused)
        assert (step == max(steps) and best is not None) == (not found.refused)

    def case(random: Random) -> tuple[Any, Callable[[], object]]:
        mend(good)
        names = ("config.json", "vocab.json", "samples.json", "samples.json", *OTHERS)
        path = random.choice([*(run / name for name in names), *random.sample(checkpoints, 6)])
        return (path, damage(path, random)), sound

    run_campaign("resumed runs", 0.04, case, seconds=60)
