"""Replicas on several devices and in several processes are what they are on one."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import differing_training
import failing_training
import jax
import numpy as np
import poisoned_training
import pytest
import tiny_corpus
from config_edits import edited
from replica_runs import last_states, read, sampled, trained

from mlmt_jax.errors import ConfigError, InputError, RunError
from mlmt_jax.training import launch, processes
from mlmt_jax.training.device import choose_device

ROOT = Path(__file__).resolve().parents[2]


def test_more_devices_than_there_are(corpus: Path) -> None:
    with pytest.raises(ConfigError, match=r"training.data_parallel: got 2, but JAX has 1 device"):
        trained(corpus, sampled(data_parallel=2), "too_many")
    assert not (corpus.parent / "too_many" / "config.json").exists()


def test_a_model_that_no_machine_holds(corpus: Path) -> None:
    data = edited(sampled(), {"components.1.hidden_size": 1_000_000})
    expected = r'components\[1\]: "lstm" has 29802 GiB of parameters(.|\n)* 3 replicas(.|\n)* this machine\'s'
    with pytest.raises(ConfigError, match=expected):
        trained(corpus, data, "too_large", "--replicas", "3")
    assert not (corpus.parent / "too_large").exists()


@pytest.mark.parametrize(
    "error", [MemoryError(), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating")]
)
def test_memory_that_ends_in_training(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def train(*_: object) -> None:
        raise error

    monkeypatch.setattr(launch, "train", train)
    name = type(error).__name__
    with pytest.raises(RunError, match=f"{name}: the run needs more memory than there is"):
        trained(corpus, sampled(), name)


def test_devices_that_share_a_batch_have_threads_to_wait_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPROC", "")
    monkeypatch.delenv("NPROC")  # undone at the end, whatever is set below
    choose_device(None)
    assert "NPROC" not in os.environ
    choose_device(None, sharing=2)
    assert int(os.environ["NPROC"]) >= 10 + 1
    monkeypatch.setenv("NPROC", "3")
    choose_device(None, sharing=2)
    assert os.environ["NPROC"] == "3"  # the user's own


TRAIN = ("-m", "mlmt_jax.train")


def in_processes(
    corpus: Path,
    folder: Path,
    count: int,
    devices: int,
    *options: str,
    program: tuple[str, ...] = TRAIN,
    expected: int | None = 0,
) -> list[str]:
    """Trains in processes of so many virtual devices each; returns what each said."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, *program, str(corpus / f"{folder.name}.json")]
    command += ["--output", str(folder), *options]
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": str(devices), "PYTHONPATH": str(ROOT)}
    if count > 1:
        command.append("--distributed")
        environment |= {"JAX_COORDINATOR_ADDRESS": f"localhost:{port}", "JAX_NUM_PROCESSES": str(count)}
    started = [
        subprocess.Popen(
            command,
            env={**environment, "JAX_PROCESS_ID": str(number)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(count)
    ]
    try:
        told = [process.communicate(timeout=300)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    statuses = [process.returncode for process in started]
    if expected is None:  # that of a process which loses another is JAX's
        assert all(statuses), "\n\n".join(told)
    else:
        assert statuses == [expected] * count, "\n\n".join(told)
    return told


def test_one_run_in_two_processes(corpus: Path) -> None:
    tiny_corpus.write_config(corpus, sampled(data_parallel=2), "shared_batches.json")
    folder = corpus.parent / "shared_batches"
    in_processes(corpus, folder, 2, 1)
    alone = trained(corpus, sampled(), "one_device")
    found, want = (read(one, "summary.json")["scores"]["afr ner"]["test"] for one in (folder, alone))
    assert found == {**want, "loss": pytest.approx(want["loss"], rel=1e-4)}
    in_processes(corpus, folder, 2, 1, "--resume")  # it is finished, and all processes see so


def test_what_one_process_refuses_ends_all(corpus: Path) -> None:
    folder = trained(corpus, sampled(), "refused", "--set", "training.max_step=4")
    told = in_processes(corpus, folder, 2, 1, expected=2)
    assert f"error: {folder}: this folder already holds a run;" in told[0].splitlines()
    last = told[1].splitlines()[-1]
    assert last == "error: --distributed: another process cannot train; its own output says why"


def test_processes_that_were_given_different_things(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_corpus.write_config(corpus, sampled(), "different.json")
    same, other = (Path(shutil.copytree(corpus, corpus.parent / name)) for name in ("same", "other"))
    dev = other / "afr.ner.dev"
    dev.write_text(dev.read_text(encoding="utf-8").replace("I-LOC", "I-PER"), encoding="utf-8")
    folder, program = corpus.parent / "different", (differing_training.__file__,)
    for more, what in (
        (f"data_root={other}", "the data of 'afr_ner'"),
        ("training.replicas=2", "the config"),
    ):
        monkeypatch.setenv("MORE", f"--set {more}")
        for text in in_processes(corpus, folder, 2, 1, program=program, expected=2):
            errors = [line for line in text.splitlines() if line.startswith("error: ")]
            assert errors == [f"error: --distributed: {what} is not the same in all processes;"]
    assert not (folder / "config.json").exists()
    monkeypatch.setenv("MORE", f"--set data_root={same}")
    in_processes(corpus, folder, 2, 1, "--replicas", "2", program=program)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JAX_COORDINATOR_ADDRESS", ""),
        ("JAX_COORDINATOR_ADDRESS", "127.0.0.1"),
        ("JAX_NUM_PROCESSES", "two"),
        ("JAX_PROCESS_ID", "-1"),
    ],
)
def test_where_the_processes_are_has_to_be_said(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    settings = {
        "JAX_COORDINATOR_ADDRESS": "127.0.0.1:45001",
        "JAX_NUM_PROCESSES": "2",
        "JAX_PROCESS_ID": "0",
        name: value,
    }
    for key, text in settings.items():
        monkeypatch.setenv(key, text)
    with pytest.raises(InputError, match=f"{name}: got '{value}'; expected"):
        processes.start()


def test_a_device_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def devices() -> None:
        raise RuntimeError("Unable to initialize backend 'tpu'\nat length")

    monkeypatch.setenv("JAX_PLATFORMS", "tpu")
    monkeypatch.setattr(jax, "devices", devices)
    with pytest.raises(
        InputError, match=r"JAX_PLATFORMS='tpu': JAX finds no device: Unable to init.*'tpu';\n"
    ):
        processes.first_device()


def test_a_process_that_fails_ends_all_soon(corpus: Path) -> None:
    data = edited(sampled(data_parallel=2), {"training.max_step": 100_000})
    tiny_corpus.write_config(corpus, data, "failing.json")
    started = time.monotonic()
    told = in_processes(
        corpus, corpus.parent / "failing", 2, 1, program=(failing_training.__file__,), expected=None
    )
    assert time.monotonic() - started < 200  # JAX alone would wait for five minutes
    assert told[0].splitlines()[-1].endswith("best/8: cannot be written: No space left on device")
    # Whichever notices first, the step that waits or JAX's service.
    assert re.search("--distributed: another process has failed or is lost: |distributed service", told[1])


def test_a_signal_stops_all_processes(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = edited(sampled(data_parallel=2), {"training.max_step": 100_000})
    tiny_corpus.write_config(corpus, data, "stopping.json")
    monkeypatch.setenv("STOPPED", "1")
    program, folder = (failing_training.__file__,), corpus.parent / "stopping"
    told = in_processes(corpus, folder, 2, 1, program=program, expected=128 + signal.SIGTERM)
    steps = [re.findall(r"stopped at step (\d+); to go on: ", text) for text in told]
    assert steps[0] == steps[1] != []
    assert (folder / "checkpoints" / "last" / steps[0][0]).is_dir()


def test_two_processes_lose_replicas(corpus: Path) -> None:
    """That patience had ended one, and the losses of another, the first alone knows; both go on alike."""
    data = edited(sampled(patience=1), {"training.eval_freq": 2, "training.max_step": 8})
    tiny_corpus.write_config(corpus, data, "poisoned.json")
    folder = corpus.parent / "poisoned"
    program = (str(Path(poisoned_training.__file__)),)
    in_processes(corpus, folder, 2, 1, "--replicas", "3", program=program)
    summary = read(folder, "summary.json")
    assert [one["steps"] for one in summary["replicas"]] == [4, 8, 6]
    assert [one["best_step"] for one in summary["replicas"]] == [2, 6, 6]
    assert [one.get("diverged") for one in summary["replicas"]] == [None, None, "infinite"]
    assert summary["statistics"]["afr ner"]["test"]["runs"] == 2


def test_runs_and_batches_are_spread_over_devices(corpus: Path) -> None:
    config = tiny_corpus.write_config(corpus, sampled(), "spread.json")
    code = f"""
import jax
from mlmt_jax.config import load_config
from mlmt_jax.training.replica_group import ReplicaGroup
from mlmt_jax.training.replica_set import device_mesh
from mlmt_jax.training.setup import fresh_state, prepare_replicas
setups = prepare_replicas(load_config({str(config)!r}, ["training.replicas=3"]))
for share, shape in (1, dict(replica=3, data=1)), (2, dict(replica=2, data=2)):
    mesh = device_mesh(3, share)
    assert dict(mesh.shape) == shape, mesh.shape
    group = ReplicaGroup(setups, mesh)
    for leaf in group.stack([fresh_state(setup) for setup in setups]):
        places = {{shard.index[0].start for shard in leaf.addressable_shards}}
        assert len(places) == shape["replica"], places
    [name] = group.batches
    tags = group.place(group.batches[name].batch(0)).sentences.tags
    assert len(tags.addressable_shards) == shape["replica"] * shape["data"]
    assert tags.addressable_shards[0].data.size * shape["replica"] * shape["data"] == tags.size
"""
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "4", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=300)


@pytest.mark.parametrize(
    ("name", "processes", "devices", "options"),
    [
        ("four_devices", 1, 4, ()),
        ("data_axis", 1, 4, ("--set", "training.data_parallel=2")),
        ("two_processes", 2, 2, ()),
        ("two_processes_again", 2, 2, ("--resume",)),
    ],
)
def test_several_devices_give_what_one_gives(
    corpus: Path, name: str, processes: int, devices: int, options: tuple[str, ...]
) -> None:
    """Three runs: they do not divide evenly among the devices."""
    tiny_corpus.write_config(corpus, sampled(), f"{name}.json")
    folder = corpus.parent / name
    if "--resume" in options:
        trained(corpus, sampled(), name, "--replicas", "3", "--set", "training.max_step=4")
    in_processes(corpus, folder, processes, devices, "--replicas", "3", *options)
    one = corpus.parent / "one_device_of_three"
    if not one.exists():
        trained(corpus, sampled(), one.name, "--replicas", "3")
    for (a, _), (b, _) in zip(last_states(corpus, folder, 3), last_states(corpus, one, 3), strict=True):
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
            np.testing.assert_allclose(x, y, rtol=0, atol=1e-5)
    scores = [[one["scores"] for one in read(run, "summary.json")["replicas"]] for run in (folder, one)]
    for own, other in zip(*scores, strict=True):
        found, want = own["afr ner"]["test"], other["afr ner"]["test"]
        assert found == {**want, "loss": pytest.approx(want["loss"], rel=1e-4)}
