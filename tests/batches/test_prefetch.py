"""Batches assembled ahead are those that the steps ask for, whoever assembles them."""

import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from mlmt_jax.batches.prefetch import BatchesAhead, default_processes
from mlmt_jax.batches.transfer import Packed, pack, unpack
from mlmt_jax.batches.worker import Assembler
from mlmt_jax.config import load_config
from mlmt_jax.train import main
from mlmt_jax.training import replica_set
from mlmt_jax.training.plan import draw_task, draws
from mlmt_jax.training.replica_group import ReplicaGroup
from mlmt_jax.training.setup import Setup, fresh_state, prepare


@pytest.fixture(scope="module")
def setup(tiny_run) -> Setup:
    return prepare(load_config(tiny_run.config))


def drawn(setup: Setup) -> Iterator[tuple[str, int]]:
    return draws(setup.weights, 0, dict.fromkeys(setup.batches, 0))


def check(setup: Setup, ahead: BatchesAhead, steps: range = range(12)) -> None:
    for name, step in itertools.islice(drawn(setup), steps.start, steps.stop):
        [got] = ahead.take(name, step)
        got = unpack(got) if isinstance(got, Packed) else got
        for own, wanted in zip(got, setup.batches[name].batch(step), strict=True):
            np.testing.assert_array_equal(own, wanted, strict=True)


@pytest.mark.parametrize("processes", [None, 0, 1, 2])
def test_batches_are_those_of_the_steps(setup, processes, monkeypatch):
    if processes:  # they alone
        monkeypatch.setattr(BatchesAhead, "_made", BatchesAhead._by_process)
    ahead = BatchesAhead([setup.batches], drawn(setup), processes=processes)
    check(setup, ahead)
    ahead.close()
    assert len(ahead._assemblers) == (processes or 0)
    assert all(own._process.returncode is not None for own in ahead._assemblers)


def test_groups_have_their_own(setup):
    ahead = BatchesAhead([setup.batches, setup.batches], drawn(setup), len, 1)
    assert [ahead.take(*one) for one in itertools.islice(drawn(setup), 5)] == [2] * 5
    ahead.close()


def test_a_process_that_is_lost_is_told(setup, capsys):
    ahead = BatchesAhead([setup.batches], drawn(setup), processes=1)
    check(setup, ahead, range(3))
    [assembler] = ahead._assemblers
    os.kill(assembler._process.pid, signal.SIGKILL)
    check(setup, ahead, range(3, 12))
    ahead.close()
    assert capsys.readouterr().err.count("warning: a process that assembles batches is lost") == 1


def test_a_process_that_hangs_does_not_keep_from_ending(setup, capsys):
    ahead = BatchesAhead([setup.batches], drawn(setup), processes=1)
    check(setup, ahead, range(3))
    [assembler] = ahead._assemblers
    os.kill(assembler._process.pid, signal.SIGSTOP)
    ahead.close()
    assert assembler._process.returncode == -signal.SIGKILL
    assert not capsys.readouterr().err


def test_a_process_whose_asker_is_killed_says_nothing(tiny_run, tmp_path):
    asker = tmp_path / "asker.py"
    asker.write_text(
        "import os, pickle, signal, sys\n"
        "from mlmt_jax.config import load_config\n"
        "from mlmt_jax.batches.worker import Assembler\n"
        "from mlmt_jax.training.setup import prepare\n"
        "setup, assembler = prepare(load_config(sys.argv[1])), Assembler()\n"
        "assembler.send(pickle.dumps([setup.batches]))\n"
        "for step in range(50):\n"
        "    assembler.send(pickle.dumps((next(iter(setup.batches)), step)))\n"
        "print(assembler._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(asker), str(tiny_run.config)], capture_output=True, text=True)
    # Its error stream ends when the process that it started has ended as well.
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.strip().isdecimal()
    assert not done.stderr


def test_no_process_can_be_started(setup, monkeypatch):
    def refuse(*_, **__):
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    ahead = BatchesAhead([setup.batches], drawn(setup), processes=2)
    check(setup, ahead)
    ahead.close()


def test_what_cannot_be_assembled_is_told(setup):
    ahead = BatchesAhead([{}], drawn(setup), processes=0)
    with pytest.raises(KeyError):
        ahead.take(*next(drawn(setup)))
    ahead.close()


def test_a_process_ends_with_the_one_that_asks(setup):
    assembler = Assembler()
    assembler.send(pickle.dumps([setup.batches]))
    process = assembler._process
    assert process.stdin is not None
    assert len(assembler.batches(*next(drawn(setup)))) == 1
    process.stdin.close()
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.returncode == 0
    assembler.close()


def test_a_step_takes_a_batch_as_one_array(setup):
    group, (name, step) = ReplicaGroup([setup]), next(drawn(setup))
    batch = setup.batches[name].batch(step)
    ends = [group.step(group.stack([fresh_state(setup)]), name, own) for own in (batch, pack(batch))]
    # A program of its own, which may round differently.
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7), *ends)


def test_draws_go_on_from_a_step():
    weights = {"a": 0.3, "b": 0.7}
    all_of_them = list(itertools.islice(draws(weights, 0, {"a": 0, "b": 0}), 50))
    assert [name for name, _ in all_of_them] == [draw_task(weights, step) for step in range(50)]
    had = {name: sum(own == name for own, _ in all_of_them[:20]) for name in weights}
    assert list(itertools.islice(draws(weights, 20, had), 30)) == all_of_them[20:]


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_run_whose_batches_come_ahead(tiny_run, tmp_path, monkeypatch, replicas):
    started = []

    class Noted(BatchesAhead):
        def __init__(self, *args):
            super().__init__(*args)
            started.append(self)

    def trained(folder: Path, *ends: int) -> list[dict[str, Any]]:
        common = [str(tiny_run.config), "--output", str(folder), "--replicas", str(replicas)]
        for i, end in enumerate(ends):
            main([*common, "--set", f"training.max_step={end}", *["--resume"] * bool(i)])
        files = sorted(folder.glob("**/metrics.jsonl"))
        assert len(files) == replicas
        return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]

    plain = trained(tmp_path / "plain", 8)
    monkeypatch.setattr(replica_set, "BatchesAhead", Noted)
    monkeypatch.setattr(replica_set, "default_processes", lambda platform: 1)
    ahead = trained(tmp_path / "ahead", 6, 8)
    assert [record["step"] for record in ahead if record["step"] != 6] == [record["step"] for record in plain]
    assert len(plain) == replicas
    for found, wanted in zip([record for record in ahead if record["step"] == 8], plain, strict=True):
        assert found["task_steps"] == wanted["task_steps"]
        for name, loss in wanted["losses"].items():
            np.testing.assert_allclose(found["losses"][name], loss, 1e-4)
    assert len(started) == 2
    assert all(one._assemblers and one._pool._shutdown for one in started)
    assert all(own._process.returncode is not None for one in started for own in one._assemblers)


@pytest.mark.parametrize(
    ("backend", "cores", "expected"), [("cpu", 32, None), ("gpu", 1, 0), ("gpu", 6, 3), ("gpu", 64, 8)]
)
def test_how_many_processes_assemble(monkeypatch, backend, cores, expected):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
    assert default_processes(jax.default_backend()) == expected


def test_batches_other_than_those_drawn_are_refused(setup):
    ahead = BatchesAhead([setup.batches], drawn(setup), processes=0)
    name, step = next(drawn(setup))
    with pytest.raises(ValueError, match="asked for the batch of"):
        ahead.take(name, step + 1)
    ahead.close()
