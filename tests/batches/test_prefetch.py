"""Prefetched batches are those of the planned steps, whichever process assembles them."""

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

from mlmt_jax.batches.prefetch import PrefetchedBatches, default_workers
from mlmt_jax.batches.transfer import FlatBatch, flatten, unflatten
from mlmt_jax.batches.worker import Worker
from mlmt_jax.config import load_config
from mlmt_jax.train import main
from mlmt_jax.training import replica_set
from mlmt_jax.training.plan import PlannedStep, plan_steps
from mlmt_jax.training.replica_group import ReplicaGroup
from mlmt_jax.training.setup import Setup, fresh_state, prepare


@pytest.fixture(scope="module")
def setup(tiny_run) -> Setup:
    return prepare(load_config(tiny_run.config))


def plan(setup: Setup) -> Iterator[PlannedStep]:
    return plan_steps(setup.weights, 0, dict.fromkeys(setup.batches, 0))


def check(setup: Setup, prefetched: PrefetchedBatches, steps: range = range(12)) -> None:
    """Check the next batches, which are those of ``steps``."""
    for planned in itertools.islice(plan(setup), steps.start, steps.stop):
        step, [batch] = next(prefetched)
        assert step == planned
        batch = unflatten(batch) if isinstance(batch, FlatBatch) else batch
        expected = setup.batches[planned.task].batch(planned.task_step)
        for array, expected_array in zip(batch.arrays, expected.arrays, strict=True):
            np.testing.assert_array_equal(array, expected_array, strict=True)


@pytest.mark.parametrize("workers", [None, 0, 1, 2])
def test_batches_are_those_of_the_planned_steps(setup, workers, monkeypatch):
    if workers:  # no other process assembles
        monkeypatch.setattr(PrefetchedBatches, "_assemble", PrefetchedBatches._assemble_in_worker)
    prefetched = PrefetchedBatches([setup.batches], plan(setup), workers=workers)
    check(setup, prefetched)
    prefetched.close()
    assert len(prefetched._workers) == (workers or 0)
    assert all(worker.process.returncode is not None for worker in prefetched._workers)


def test_each_group_has_its_batches(setup):
    prefetched = PrefetchedBatches([setup.batches, setup.batches], plan(setup), len, 1)
    assert list(itertools.islice(prefetched, 5)) == [(step, 2) for step in itertools.islice(plan(setup), 5)]
    prefetched.close()


def test_a_lost_worker_is_replaced_with_one_warning(setup, capsys):
    prefetched = PrefetchedBatches([setup.batches], plan(setup), workers=1)
    check(setup, prefetched, range(3))
    [worker] = prefetched._workers
    os.kill(worker.process.pid, signal.SIGKILL)
    check(setup, prefetched, range(3, 12))
    prefetched.close()
    message = "warning: a worker process that assembles batches is lost"
    assert capsys.readouterr().err.count(message) == 1


def test_a_worker_that_hangs_does_not_delay_the_end(setup, capsys):
    prefetched = PrefetchedBatches([setup.batches], plan(setup), workers=1)
    check(setup, prefetched, range(3))
    [worker] = prefetched._workers
    os.kill(worker.process.pid, signal.SIGSTOP)
    prefetched.close()
    assert worker.process.returncode == -signal.SIGKILL
    assert not capsys.readouterr().err


def test_a_worker_whose_parent_is_killed_ends_silently(tiny_run, tmp_path):
    parent = tmp_path / "parent.py"
    parent.write_text(
        "import os, pickle, signal, sys\n"
        "from mlmt_jax.config import load_config\n"
        "from mlmt_jax.batches.worker import Worker\n"
        "from mlmt_jax.training.setup import prepare\n"
        "setup, worker = prepare(load_config(sys.argv[1])), Worker()\n"
        "worker.send(pickle.dumps([setup.batches]))\n"
        "for step in range(50):\n"
        "    worker.send(pickle.dumps((next(iter(setup.batches)), step)))\n"
        "print(worker.process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n",
        encoding="utf-8",
    )
    # Development mode reports a stream that cannot be flushed when it is collected, as Python 3.13 does.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(parent), str(tiny_run.config)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDEVMODE": "1"},
    )
    # Its error stream ends when the worker process has ended as well.
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.strip().isdecimal()
    assert not done.stderr


def test_batches_are_assembled_without_a_worker_that_cannot_be_started(setup, monkeypatch):
    def refuse(*_, **__):
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    prefetched = PrefetchedBatches([setup.batches], plan(setup), workers=2)
    check(setup, prefetched)
    prefetched.close()


def test_an_error_in_assembling_is_raised(setup):
    prefetched = PrefetchedBatches([{}], plan(setup), workers=0)
    with pytest.raises(KeyError):
        next(prefetched)
    prefetched.close()


def test_a_worker_ends_with_its_input(setup):
    worker, first = Worker(), next(plan(setup))
    worker.send(pickle.dumps([setup.batches]))
    process = worker.process
    assert process.stdin is not None
    assert len(worker.batches(first.task, first.task_step)) == 1
    process.stdin.close()
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.returncode == 0
    worker.close()


def test_a_step_takes_a_flat_batch(setup):
    group, first = ReplicaGroup([setup]), next(plan(setup))
    batch = setup.batches[first.task].batch(first.task_step)
    state = lambda: group.stack([fresh_state(setup)])
    ends = [group.step(state(), first.task, form) for form in (batch, flatten(batch))]
    # A program of its own, which may round differently.
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7), *ends)


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_run_with_prefetched_batches_equals_one_without(tiny_run, tmp_path, monkeypatch, replicas):
    started = []

    class Recorded(PrefetchedBatches):
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
    monkeypatch.setattr(replica_set, "PrefetchedBatches", Recorded)
    monkeypatch.setattr(replica_set, "default_workers", lambda platform: 1)
    records = trained(tmp_path / "prefetched", 6, 8)
    last = [record for record in records if record["step"] != 6]
    assert [record["step"] for record in last] == [record["step"] for record in plain]
    assert len(plain) == replicas
    for record, expected in zip(last, plain, strict=True):
        assert record["task_steps"] == expected["task_steps"]
        for name, loss in expected["losses"].items():
            np.testing.assert_allclose(record["losses"][name], loss, 1e-4)
    assert len(started) == 2
    assert all(prefetched._workers and prefetched._pool._shutdown for prefetched in started)
    assert all(
        worker.process.returncode is not None for prefetched in started for worker in prefetched._workers
    )


@pytest.mark.parametrize(
    ("backend", "cores", "expected"), [("cpu", 32, None), ("gpu", 1, 0), ("gpu", 6, 3), ("gpu", 64, 8)]
)
def test_number_of_workers(monkeypatch, backend, cores, expected):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
    assert default_workers(jax.default_backend()) == expected
