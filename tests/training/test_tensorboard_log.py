"""TensorBoard event files have the numbers of metrics.jsonl, under the same names."""

import importlib
import importlib.util
import struct
from pathlib import Path

import pytest
import tiny_corpus
from command_lines import is_one_message, status
from tiny_runs import read_metrics, train_run

from mlmt_jax.train import main
from mlmt_jax.training.tensorboard_log import scalars


def logged(folder: Path) -> dict[tuple[int, str], float]:
    """Return the scalars of all event files of a folder by step and name, as TensorBoard reads them."""
    event_type = importlib.import_module("tensorboardX.proto.event_pb2").Event
    values = {}
    for file in sorted((folder / "tensorboard").iterdir()):
        data, place = file.read_bytes(), 0
        while place < len(data):
            [length] = struct.unpack_from("<Q", data, place)
            event = event_type.FromString(data[place + 12 : place + 12 + length])
            for value in event.summary.value:
                values[event.step, value.tag] = value.simple_value
            place += 16 + length
    return values


def test_event_files_agree_with_the_metrics(corpus_copy: Path) -> None:
    data = tiny_corpus.lean("afr ner", max_step=4, eval_freq=2, log_to=["tensorboard"])
    folder = train_run(corpus_copy, data, "run")
    assert (
        status(main, corpus_copy / "run.json", "--output", folder, "--resume", "--set", "training.max_step=6")
        == 0
    )
    records = read_metrics(folder)
    assert [record["step"] for record in records] == [2, 4, 6]
    names = {name: name.replace(" ", "_") for record in records for name, _ in scalars(record)}
    expected = {(record["step"], names[name]): value for record in records for name, value in scalars(record)}
    values = logged(folder)
    assert values.keys() == expected.keys()
    assert values == pytest.approx(expected, rel=1e-6)
    assert (6, "scores/afr_ner/dev/f1") in values


def test_a_missing_library_is_named_before_the_run_starts(
    corpus_copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    data = tiny_corpus.lean("afr ner", max_step=2, eval_freq=2, log_to=["tensorboard"])
    config = tiny_corpus.write_config(corpus_copy, data, "c.json")
    folder = corpus_copy.parent / "none"
    assert status(main, config, "--output", folder) == 2
    err = capsys.readouterr().err
    assert is_one_message(err)
    assert "pip install tensorboardX, or --set training.log_to=[]" in err
    assert not folder.exists()
    monkeypatch.undo()
    assert status(main, config, "--output", folder, "--set", "training.log_to=[]") == 0  # the other remedy
    assert not (folder / "tensorboard").exists()
