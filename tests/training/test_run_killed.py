"""Processes that are killed, or whose machine loses power, at random moments, and are then resumed."""

import contextlib
import json
import multiprocessing
import os
import random
import re
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orbax.checkpoint as ocp
import pytest
import tiny_corpus
import training_process
from config_edits import edited
from lossy_disk import mounted
from task_grid import only_tasks

RUNS, KILLS = 4, 5  # runs, and kills of each run: 20 in all
KILLS_IN_A_WRITE = 3  # kills of each run during the write of a checkpoint
STEPS, EVAL_FREQ = 30, 3

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs processes that fork")


class Trained(NamedTuple):
    """An uninterrupted run."""

    config: Path
    folder: Path
    seconds: float  # from its folder's creation to its end


@pytest.fixture(scope="module")
def server() -> Any:
    """Return a server that forks processes which have imported everything, so that they start at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["mlmt_jax.train", "mlmt_jax.training.loop", "mlmt_jax.training.run_tables"]
    )
    return context


def start(server: Any, config: Path, folder: Path) -> BaseProcess:
    """Start a process that trains; it resumes the run if the folder exists."""
    arguments = [str(config), "--output", str(folder)]
    arguments += ["--resume"] if folder.exists() else []
    process = server.Process(target=training_process.train, args=(arguments, folder.with_suffix(".log")))
    process.start()
    return process


def finish(server: Any, config: Path, folder: Path) -> None:
    """Train to the end of the run."""
    process = start(server, config, folder)
    process.join(timeout=300)
    assert process.exitcode == 0, folder.with_suffix(".log").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def trained(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Train without an interruption."""
    corpus = tmp_path_factory.mktemp("killed")
    tiny_corpus.write_corpus(corpus)
    data = tiny_corpus.without_characters(tiny_corpus.config())
    for task in data["tasks"]:
        del task["model"]["spec_layer"]  # It is not needed, and takes time to compile.
    data = only_tasks(data, "nld ner", "afr ner")
    data = edited(data, {"training.max_step": STEPS, "training.eval_freq": EVAL_FREQ})
    config = tiny_corpus.write_config(corpus, data)
    finish(server, config, corpus / "first")  # The programs are compiled and cached.
    process = start(server, config, corpus / "uninterrupted")
    wait_for(lambda: (corpus / "uninterrupted").exists(), process)
    started = time.monotonic()
    process.join(timeout=300)
    assert process.exitcode == 0
    return Trained(config, corpus / "uninterrupted", time.monotonic() - started)


def wait_for(condition: Callable[[], bool], process: BaseProcess) -> None:
    """Wait until a condition is true or the process has ended."""
    while process.is_alive() and not condition():
        time.sleep(0.001)


def kill_at_random(process: BaseProcess, folder: Path, seconds: float, choose: random.Random) -> bool:
    """Kill a process at a random moment; return False if it had ended before.

    Args:
        process: the process.
        folder: folder of its run.
        seconds: the latest moment, after the creation of the folder.
        choose: the random generator.
    """
    wait_for(folder.exists, process)
    process.join(timeout=choose.uniform(0, seconds))
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def kill_in_a_write(process: BaseProcess, folder: Path, choose: random.Random) -> bool:
    """Kill a process while it writes a checkpoint; return True if an unfinished checkpoint remains."""
    kind = choose.choice(["best", "last"])
    checkpoints = folder / "checkpoints" / kind
    for _ in range(choose.randint(1, 2)):  # in the first or the second write
        wait_for(lambda: not is_being_written(checkpoints), process)  # An earlier process may have left one.
        wait_for(lambda: is_being_written(checkpoints), process)
    time.sleep(choose.uniform(0, 0.02))
    while process.is_alive():
        # Stop the process to see that the write has not ended.
        send(process, signal.SIGSTOP)
        time.sleep(0.005)
        if is_being_written(checkpoints):
            break
        send(process, signal.SIGCONT)
        wait_for(lambda: is_being_written(checkpoints), process)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL and is_being_written(checkpoints)


def send(process: BaseProcess, signum: int) -> None:
    assert process.pid is not None
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signum)


def is_being_written(folder: Path) -> bool:
    """Return True if a folder holds an unfinished checkpoint."""
    return any(name.endswith(".part") for name in list_folder(folder))


def list_folder(folder: Path) -> list[str]:
    """Return the names in a folder, which may be missing."""
    with contextlib.suppress(OSError):
        return os.listdir(folder)
    return []


def outcome(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the records of a run without its seconds, and the bits of its arrays."""
    timed = ("seconds", "sentences_per_second")
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    records: dict[str, Any] = {
        "metrics": [{k: v for k, v in json.loads(line).items() if k not in timed} for line in lines]
    }
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    records["summary"] = {key: value for key, value in summary.items() if key not in timed}
    arrays: dict[str, bytes] = {}
    best, last = (
        sorted((folder / "checkpoints" / kind).iterdir(), key=step_number) for kind in ("best", "last")
    )
    for path in [*best, last[-1]]:
        kind, step = path.parts[-2:]
        with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as checkpointer:
            tree: Any = checkpointer.restore((path / {"best": "params", "last": "state"}[kind]).absolute())
        for name, leaf in flatten(tree):
            arrays[f"{kind}/{step}{name}"] = np.asarray(leaf).tobytes()
        if kind == "last":
            progress = json.loads((path / "progress.json").read_text(encoding="utf-8"))
            records[f"{kind}/{step}"] = {**progress, "seconds": None}
    return records, arrays


def step_number(path: Path) -> int:
    return int(path.name)


def flatten(tree: Any, name: str = "") -> list[tuple[str, Any]]:
    """Return the leaves of nested dicts with their paths."""
    if isinstance(tree, dict):
        return [pair for key, value in tree.items() for pair in flatten(value, f"{name}/{key}")]
    return [(name, tree)]


def assert_same_run(folder: Path, uninterrupted: Path) -> None:
    """Check that two runs leave the same records and bits."""
    records, arrays = outcome(folder)
    expected_records, expected_arrays = outcome(uninterrupted)
    assert records == expected_records
    assert arrays == expected_arrays
    assert [record["step"] for record in records["metrics"]] == list(range(EVAL_FREQ, STEPS + 1, EVAL_FREQ))


@pytest.mark.parametrize("seed", range(RUNS))
def test_run_that_is_killed_repeatedly_ends_the_same(
    server: Any, trained: Trained, tmp_path: Path, seed: int
) -> None:
    kill_repeatedly(server, trained, tmp_path, seed)


def test_run_that_loses_power_repeatedly_ends_the_same(server: Any, trained: Trained, tmp_path: Path) -> None:
    with mounted(tmp_path) as disk:
        if disk is None:
            pytest.skip("this machine or user cannot mount a file system")
        kill_repeatedly(server, trained, disk.root, RUNS, after=disk.lose_power)


def kill_repeatedly(
    server: Any, trained: Trained, root: Path, seed: int, after: Callable[[], None] = lambda: None
) -> None:
    """Kill a run ``KILLS`` times, then finish it and compare it with the uninterrupted one.

    Args:
        server: the server of processes.
        trained: the uninterrupted run.
        root: folder of the run folder.
        seed: seed of the moments.
        after: called after each kill.
    """
    choose, folder = random.Random(seed), root / "run"
    kills = {True: 0, False: 0}  # during a write, and at any moment
    for _ in range(10 * KILLS):
        if sum(kills.values()) == KILLS:
            break
        if (folder / "summary.json").exists():  # The run ended before all kills: the others hit another run.
            assert_same_run(folder, trained.folder)
            folder = root / f"{folder.name}-next"
        process = start(server, trained.config, folder)
        remaining = [KILLS_IN_A_WRITE - kills[True], KILLS - KILLS_IN_A_WRITE - kills[False]]
        [is_in_a_write] = choose.choices([True, False], remaining)
        if is_in_a_write:
            kills[True] += kill_in_a_write(process, folder, choose)
        else:
            kills[False] += kill_at_random(process, folder, trained.seconds / 2, choose)
        log = folder.with_suffix(".log")
        assert process.exitcode in (0, -signal.SIGKILL), log.read_text(encoding="utf-8")
        after()
    assert kills == {True: KILLS_IN_A_WRITE, False: KILLS - KILLS_IN_A_WRITE}
    finish(server, trained.config, folder)
    assert_same_run(folder, trained.folder)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_stopped_run_ends_the_same(server: Any, trained: Trained, tmp_path: Path, signum: int) -> None:
    folder = tmp_path / "run"
    process = start(server, trained.config, folder)
    wait_for((folder / "metrics.jsonl").exists, process)
    assert process.pid is not None
    os.kill(process.pid, signum)
    process.join(timeout=300)
    log = folder.with_suffix(".log")
    last_line = log.read_text(encoding="utf-8").splitlines()[-1]
    assert process.exitcode == 128 + signum
    assert re.fullmatch(
        rf"stopped at step \d+; to go on: python -m mlmt_jax\.train \S+ --output {folder} --resume", last_line
    )
    assert not (folder / ".lock").exists()
    finish(server, trained.config, folder)
    assert_same_run(folder, trained.folder)
