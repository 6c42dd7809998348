"""Several processes that train together, and the results of several devices."""

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
from tiny_runs import newest_states, read_json, sampled_config, train_run

from mlmt_jax.errors import InputError
from mlmt_jax.training import processes

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ("-m", "mlmt_jax.train")


def train_in_processes(
    corpus: Path,
    folder: Path,
    processes_and_devices: tuple[int, int],
    *options: str,
    program: tuple[str, ...] = TRAIN,
    status: int | None = 0,
) -> list[str]:
    """Train in several processes; return the output of each.

    Args:
        corpus: folder of the corpus and of the config, which has the name of the run folder.
        folder: the run folder.
        processes_and_devices: number of processes, and number of virtual devices of each.
        options: further arguments of the command line.
        program: what Python runs.
        status: expected exit status of all processes; None for any that is not 0.
    """
    count, devices = processes_and_devices
    with socket.socket() as unused:
        unused.bind(("localhost", 0))
        port = unused.getsockname()[1]
    command = [sys.executable, *program, str(corpus / f"{folder.name}.json")]
    command += ["--output", str(folder), *options]
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": str(devices), "PYTHONPATH": str(ROOT)}
    if count > 1:
        command.append("--distributed")
        environment |= {"JAX_COORDINATOR_ADDRESS": f"localhost:{port}", "JAX_NUM_PROCESSES": str(count)}
    children = [
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
        outputs = [process.communicate(timeout=300)[0] for process in children]
    finally:
        for process in children:
            process.kill()
            process.communicate()
    statuses = [process.returncode for process in children]
    if status is None:
        assert all(statuses), "\n\n".join(outputs)
    else:
        assert statuses == [status] * count, "\n\n".join(outputs)
    return outputs


def test_two_processes_share_the_batches_of_a_run(corpus: Path) -> None:
    tiny_corpus.write_config(corpus, sampled_config(data_parallel=2), "shared_batches.json")
    folder = corpus.parent / "shared_batches"
    train_in_processes(corpus, folder, (2, 1))
    single = train_run(corpus, sampled_config(), "one_device")
    score, expected = (
        read_json(run, "summary.json")["scores"]["afr ner"]["test"] for run in (folder, single)
    )
    assert score == {**expected, "loss": pytest.approx(expected["loss"], rel=1e-4)}
    train_in_processes(corpus, folder, (2, 1), "--resume")  # The run is finished in all processes.


def test_refusal_of_one_process_ends_all(corpus: Path) -> None:
    folder = train_run(corpus, sampled_config(), "refused", "--set", "training.max_step=4")
    outputs = train_in_processes(corpus, folder, (2, 1), status=2)
    assert f"error: {folder}: this folder already holds a run;" in outputs[0].splitlines()
    last_line = outputs[1].splitlines()[-1]
    assert last_line == "error: --distributed: another process cannot train; its own output says why"


def test_processes_with_different_inputs_are_refused(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_corpus.write_config(corpus, sampled_config(), "different.json")
    same, other = (Path(shutil.copytree(corpus, corpus.parent / name)) for name in ("same", "other"))
    dev = other / "afr.ner.dev"
    dev.write_text(dev.read_text(encoding="utf-8").replace("I-LOC", "I-PER"), encoding="utf-8")
    folder, program = corpus.parent / "different", (differing_training.__file__,)
    for argument, difference in (
        (f"data_root={other}", "the data of 'afr_ner'"),
        ("training.replicas=2", "the config"),
    ):
        monkeypatch.setenv("SECOND_PROCESS_ARGUMENTS", f"--set {argument}")
        for output in train_in_processes(corpus, folder, (2, 1), program=program, status=2):
            errors = [line for line in output.splitlines() if line.startswith("error: ")]
            assert errors == [f"error: --distributed: {difference} is not the same in all processes;"]
    assert not (folder / "config.json").exists()
    monkeypatch.setenv("SECOND_PROCESS_ARGUMENTS", f"--set data_root={same}")
    train_in_processes(corpus, folder, (2, 1), "--replicas", "2", program=program)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JAX_COORDINATOR_ADDRESS", ""),
        ("JAX_COORDINATOR_ADDRESS", "127.0.0.1"),
        ("JAX_NUM_PROCESSES", "two"),
        ("JAX_PROCESS_ID", "-1"),
    ],
)
def test_malformed_variables_of_processes_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    variables = {
        "JAX_COORDINATOR_ADDRESS": "127.0.0.1:45001",
        "JAX_NUM_PROCESSES": "2",
        "JAX_PROCESS_ID": "0",
        name: value,
    }
    for key, text in variables.items():
        monkeypatch.setenv(key, text)
    with pytest.raises(InputError, match=f"{name}: got '{value}'; expected"):
        processes.start()


def test_missing_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def devices() -> None:
        raise RuntimeError("Unable to initialize backend 'tpu'\nat length")

    monkeypatch.setenv("JAX_PLATFORMS", "tpu")
    monkeypatch.setattr(jax, "devices", devices)
    with pytest.raises(
        InputError, match=r"JAX_PLATFORMS='tpu': JAX finds no device: Unable to init.*'tpu';\n"
    ):
        processes.first_device()


def test_failed_process_ends_all_soon(corpus: Path) -> None:
    data = sampled_config(data_parallel=2, max_step=100_000)
    tiny_corpus.write_config(corpus, data, "failing.json")
    started = time.monotonic()
    outputs = train_in_processes(
        corpus, corpus.parent / "failing", (2, 1), program=(failing_training.__file__,), status=None
    )
    assert time.monotonic() - started < 200  # JAX alone would wait for five minutes
    assert outputs[0].splitlines()[-1].endswith("best/8: cannot be written: No space left on device")
    # Either the waiting step or JAX's coordination service reports the loss first.
    assert re.search("--distributed: another process has failed or is lost: |distributed service", outputs[1])


def test_signal_stops_all_processes_at_one_step(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = sampled_config(data_parallel=2, max_step=100_000)
    tiny_corpus.write_config(corpus, data, "stopping.json")
    monkeypatch.setenv("STOPPED", "1")
    program, folder = (failing_training.__file__,), corpus.parent / "stopping"
    status = 128 + signal.SIGTERM
    outputs = train_in_processes(corpus, folder, (2, 1), program=program, status=status)
    steps = [re.findall(r"stopped at step (\d+); to go on: ", output) for output in outputs]
    assert steps[0] == steps[1] != []
    assert (folder / "checkpoints" / "last" / steps[0][0]).is_dir()


def test_two_processes_agree_on_diverged_replicas(corpus: Path) -> None:
    # Only the first process evaluates: it alone knows the replicas that ended by patience or infinite losses.
    data = sampled_config(patience=1, eval_freq=2, max_step=8)
    tiny_corpus.write_config(corpus, data, "poisoned.json")
    folder = corpus.parent / "poisoned"
    program = (str(Path(poisoned_training.__file__)),)
    train_in_processes(corpus, folder, (2, 1), "--replicas", "3", program=program)
    summary = read_json(folder, "summary.json")
    assert [replica["steps"] for replica in summary["replicas"]] == [4, 8, 6]
    assert [replica["best_step"] for replica in summary["replicas"]] == [2, 6, 6]
    assert [replica.get("diverged") for replica in summary["replicas"]] == [None, None, "infinite"]
    assert summary["statistics"]["afr ner"]["test"]["runs"] == 2


@pytest.mark.parametrize(
    ("name", "processes_and_devices", "options"),
    [
        ("four_devices", (1, 4), ()),
        ("data_axis", (1, 4), ("--set", "training.data_parallel=2")),
        ("two_processes", (2, 2), ()),
        ("two_processes_resumed", (2, 2), ("--resume",)),
    ],
)
def test_several_devices_train_what_one_device_trains(
    corpus: Path, name: str, processes_and_devices: tuple[int, int], options: tuple[str, ...]
) -> None:
    # Three replicas cannot be divided evenly among the devices.
    tiny_corpus.write_config(corpus, sampled_config(), f"{name}.json")
    folder = corpus.parent / name
    if "--resume" in options:
        train_run(corpus, sampled_config(), name, "--replicas", "3", "--set", "training.max_step=4")
    train_in_processes(corpus, folder, processes_and_devices, "--replicas", "3", *options)
    one_device = corpus.parent / "one_device_of_three"
    if not one_device.exists():
        train_run(corpus, sampled_config(), one_device.name, "--replicas", "3")
    pairs = zip(newest_states(corpus, folder, 3), newest_states(corpus, one_device, 3), strict=True)
    for (state, _), (expected_state, _) in pairs:
        for x, y in zip(jax.tree.leaves(state), jax.tree.leaves(expected_state), strict=True):
            np.testing.assert_allclose(x, y, rtol=0, atol=1e-5)
    replicas, expected_replicas = (read_json(run, "summary.json")["replicas"] for run in (folder, one_device))
    for replica, expected_replica in zip(replicas, expected_replicas, strict=True):
        score, expected = (summary["scores"]["afr ner"]["test"] for summary in (replica, expected_replica))
        assert score == {**expected, "loss": pytest.approx(expected["loss"], rel=1e-4)}
