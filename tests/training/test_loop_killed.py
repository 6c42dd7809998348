"""Real processes that are killed, or lose power, at random moments, and go on as if they had not."""

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

RUNS, KILLS = 4, 5  # processes that are killed for each run: 20 of all
IN_A_WRITE = 3  # of them, while they write a checkpoint
STEPS, EVAL_FREQ = 30, 3

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs processes that fork")


class Trained(NamedTuple):
    """A run that nothing interrupted."""

    config: Path
    folder: Path
    seconds: float  # from its folder's creation to its end


@pytest.fixture(scope="module")
def server() -> Any:
    """Starts processes in a moment: they are forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["mlmt_jax.train", "mlmt_jax.training.loop", "mlmt_jax.training.run_tables"]
    )
    return context


def start(server: Any, config: Path, folder: Path) -> BaseProcess:
    arguments = [str(config), "--output", str(folder)]
    arguments += ["--resume"] if folder.exists() else []
    process = server.Process(target=training_process.train, args=(arguments, folder.with_suffix(".log")))
    process.start()
    return process


def finish(server: Any, config: Path, folder: Path) -> None:
    process = start(server, config, folder)
    process.join(timeout=300)
    assert process.exitcode == 0, folder.with_suffix(".log").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def trained(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    corpus = tmp_path_factory.mktemp("killed")
    tiny_corpus.write_corpus(corpus)
    data = tiny_corpus.without_characters(tiny_corpus.config())
    for task in data["tasks"]:
        del task["model"]["spec_layer"]  # compiles sooner
    data = only_tasks(data, "nld ner", "afr ner")
    data = edited(data, {"training.max_step": STEPS, "training.eval_freq": EVAL_FREQ})
    config = tiny_corpus.write_config(corpus, data)
    finish(server, config, corpus / "first")  # compiles
    process = start(server, config, corpus / "whole")
    wait_for(lambda: (corpus / "whole").exists(), process)
    started = time.monotonic()
    process.join(timeout=300)
    assert process.exitcode == 0
    return Trained(config, corpus / "whole", time.monotonic() - started)


def wait_for(condition: Callable[[], bool], process: BaseProcess) -> None:
    """Waits until something is so, or the process has ended."""
    while process.is_alive() and not condition():
        time.sleep(0.001)


def kill_at_some_moment(process: BaseProcess, folder: Path, seconds: float, choose: random.Random) -> bool:
    """Kills it at a moment of so many seconds; whether it was not at its end before."""
    wait_for(folder.exists, process)
    process.join(timeout=choose.uniform(0, seconds))
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def kill_in_a_write(process: BaseProcess, folder: Path, choose: random.Random) -> bool:
    """Kills it while it writes a checkpoint; whether it did before its end, and part of one is left."""
    kind = choose.choice(["best", "last"])
    written = folder / "checkpoints" / kind
    for _ in range(choose.randint(1, 2)):  # the first one or the second
        wait_for(lambda: not is_written(written), process)  # what another left behind does not count
        wait_for(lambda: is_written(written), process)
    time.sleep(choose.uniform(0, 0.02))
    while process.is_alive():
        # It has to be in the write still: it is looked at while it stands.
        send(process, signal.SIGSTOP)
        time.sleep(0.005)
        if is_written(written):
            break
        send(process, signal.SIGCONT)
        wait_for(lambda: is_written(written), process)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL and is_written(written)


def send(process: BaseProcess, signum: int) -> None:
    assert process.pid is not None
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signum)


def is_written(folder: Path) -> bool:
    """Whether a checkpoint is not whole yet."""
    return any(name.endswith(".part") for name in listed(folder))


def listed(folder: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return os.listdir(folder)
    return []


def outcome(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """All that a run leaves but its seconds: its records, and its arrays bit by bit."""
    timed = ("seconds", "sentences_per_second")
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    records: dict[str, Any] = {
        "metrics": [{k: v for k, v in json.loads(line).items() if k not in timed} for line in lines]
    }
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    records["summary"] = {key: value for key, value in summary.items() if key not in timed}
    arrays: dict[str, bytes] = {}
    best, last = (sorted((folder / "checkpoints" / kind).iterdir(), key=_step) for kind in ("best", "last"))
    for path in [*best, last[-1]]:
        kind, step = path.parts[-2:]
        with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as checkpointer:
            tree: Any = checkpointer.restore((path / {"best": "params", "last": "state"}[kind]).absolute())
        for name, leaf in flat(tree):
            arrays[f"{kind}/{step}{name}"] = np.asarray(leaf).tobytes()
        if kind == "last":
            progress = json.loads((path / "progress.json").read_text(encoding="utf-8"))
            records[f"{kind}/{step}"] = {**progress, "seconds": None}
    return records, arrays


def _step(path: Path) -> int:
    return int(path.name)


def flat(tree: Any, name: str = "") -> list[tuple[str, Any]]:
    if isinstance(tree, dict):
        return [pair for key, value in tree.items() for pair in flat(value, f"{name}/{key}")]
    return [(name, tree)]


def assert_same_run(folder: Path, whole: Path) -> None:
    records, arrays = outcome(folder)
    expected, expected_arrays = outcome(whole)
    assert records == expected
    assert arrays == expected_arrays
    assert [record["step"] for record in records["metrics"]] == list(range(EVAL_FREQ, STEPS + 1, EVAL_FREQ))


@pytest.mark.parametrize("seed", range(RUNS))
def test_a_run_that_is_killed_again_and_again(
    server: Any, trained: Trained, tmp_path: Path, seed: int
) -> None:
    kill_again_and_again(server, trained, tmp_path, seed)


def test_a_run_whose_machine_loses_power_again_and_again(
    server: Any, trained: Trained, tmp_path: Path
) -> None:
    with mounted(tmp_path) as disk:
        if disk is None:
            pytest.skip("may not mount a file system")
        kill_again_and_again(server, trained, disk.root, RUNS, after=disk.lose_power)


def kill_again_and_again(
    server: Any, trained: Trained, root: Path, seed: int, after: Callable[[], None] = lambda: None
) -> None:
    """Kills a run so many times, does ``after`` each time, and compares what it comes to."""
    choose, folder = random.Random(seed), root / "run"
    killed = {True: 0, False: 0}  # in a write, and at any moment
    for _ in range(10 * KILLS):
        if sum(killed.values()) == KILLS:
            break
        if (folder / "summary.json").exists():  # it was too quick: the rest are killed in another run
            assert_same_run(folder, trained.folder)
            folder = root / f"{folder.name}-again"
        process = start(server, trained.config, folder)
        left = {True: IN_A_WRITE - killed[True], False: KILLS - IN_A_WRITE - killed[False]}
        in_a_write = choose.choices([True, False], [left[True], left[False]])[0]
        if in_a_write:
            killed[True] += kill_in_a_write(process, folder, choose)
        else:
            killed[False] += kill_at_some_moment(process, folder, trained.seconds / 2, choose)
        log = folder.with_suffix(".log")
        assert process.exitcode in (0, -signal.SIGKILL), log.read_text(encoding="utf-8")
        after()
    assert killed == {True: IN_A_WRITE, False: KILLS - IN_A_WRITE}
    finish(server, trained.config, folder)
    assert_same_run(folder, trained.folder)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_asked_to_stop(server: Any, trained: Trained, tmp_path: Path, signum: int) -> None:
    folder = tmp_path / "run"
    process = start(server, trained.config, folder)
    wait_for((folder / "metrics.jsonl").exists, process)
    assert process.pid is not None
    os.kill(process.pid, signum)
    process.join(timeout=300)
    log = folder.with_suffix(".log")
    last = log.read_text(encoding="utf-8").splitlines()[-1]
    assert process.exitcode == 128 + signum
    assert re.fullmatch(
        rf"stopped at step \d+; to go on: python -m mlmt_jax\.train \S+ --output {folder} --resume", last
    )
    assert not (folder / ".lock").exists()
    finish(server, trained.config, folder)
    assert_same_run(folder, trained.folder)
