# pyright: reportMissingImports=false
"""Files that cannot be converted: one message, status 2, and nothing written."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_lines import is_one_message, process, status

torch = pytest.importorskip("torch")

import original_model  # noqa: E402

from mlmt_jax.convert.__main__ import main  # noqa: E402

State = dict[str, Any]


def refused(file: Path, capsys: pytest.CaptureFixture[str], run: Path | None = None) -> str:
    """Return the message that refuses a file; no new file must be left in its folder."""
    before = sorted(file.parent.rglob("*"))
    assert status(main, file, run or file.parent / "run") == 2
    assert sorted(file.parent.rglob("*")) == before
    captured = capsys.readouterr()
    assert captured.out == ""
    assert is_one_message(captured.err), captured.err
    return captured.err


class Harmful:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, path: Path):
        self.path = str(path)

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("old_format", [False, True])
def test_a_pickle_that_would_execute_code_is_refused(
    tmp_path: Path, old_format: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    state, _ = original_model.newer()
    state["args"]["harm"] = Harmful(tmp_path / "harm")
    file = original_model.save(state, tmp_path / "bad.mdl", old_format=old_format)
    message = refused(file, capsys)
    assert f"{os.mkdir.__module__}.mkdir" in message
    assert "nothing in it was executed" in message
    assert not (tmp_path / "harm").exists()


def test_a_pickled_module_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = original_model.save(torch.nn.Linear(2, 3), tmp_path / "module.mdl")
    assert "torch.nn.modules.linear.Linear" in refused(file, capsys)


@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize("kept", [0, 1, 20, 0.1, 0.5, 0.9, -1])
def test_a_truncated_file_is_refused(
    tmp_path: Path, old_format: bool, kept: float, capsys: pytest.CaptureFixture[str]
) -> None:
    file = original_model.save(original_model.newer()[0], tmp_path / "cut.mdl", old_format=old_format)
    data = file.read_bytes()
    file.write_bytes(data[: kept if isinstance(kept, int) else int(kept * len(data))])
    assert "cut.mdl: not a complete PyTorch checkpoint" in refused(file, capsys)


@pytest.mark.parametrize(
    "content", [b"Sarel B-PER\n", b"\x80\x04]\x94.", b"PK\x03\x04", pickle.dumps({"a": 1})]
)
def test_a_file_of_another_format_is_refused(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "other.mdl"
    file.write_bytes(content)
    assert "other.mdl: not a complete PyTorch checkpoint" in refused(file, capsys)


def test_an_unreadable_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "none.mdl: cannot be read: No such file" in refused(tmp_path / "none.mdl", capsys)
    (tmp_path / "folder").mkdir()
    assert "folder: cannot be read" in refused(tmp_path / "folder", capsys)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2], "wrong type (got list, expected a checkpoint of limteng-rpi/mlmt"),
        ({"weights": {}}, "no dict 'model' (got the keys 'weights'"),
        ({"model": {}, "vocab": {}, "args": {}}, "no 'lstm_crf' or 'lstm_crf_tgt'"),
        ({"model": {"lstm_crf_cl": {}}, "vocab": {}, "args": {}}, "no 'lstm_crf' or"),
        (
            {"model": {"lstm_crf": 1}, "vocab": {}, "args": {}},
            "model.lstm_crf: wrong type (got int, expected a state dict",
        ),
        (
            {"model": {"lstm_crf": {"a": 1}}, "vocab": {}, "args": {}},
            "a: wrong type (got int, expected a tensor",
        ),
        ({"model": {"lstm_crf": {}}, "vocab": {"char": []}, "args": {}}, "vocab.char: wrong type (got list"),
        ({"model": {"lstm_crf": {}}, "vocab": {"char": {"a": -1}}, "args": {}}, "got 'a': -1"),
        ({"model": {"lstm_crf": {}}, "vocab": {}, "args": {}}, "vocab.char is missing"),
    ],
)
def test_a_checkpoint_of_another_structure_is_refused(
    tmp_path: Path, value: Any, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(original_model.save(value, tmp_path / "x.mdl"), capsys)


def change_tensor(key: str, change: Callable[[Any], Any]) -> Callable[[State], None]:
    def edit(state: State) -> None:
        tensors = state["model"]["lstm_crf"]
        tensors[key] = change(tensors[key])

    return edit


def set_value(part: str, key: str, value: Any) -> Callable[[State], None]:
    return lambda state: state[part].__setitem__(key, value)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda state: state["model"]["lstm_crf"].pop("crf.transition"), "crf.transition is missing"),
        (
            lambda state: state["model"]["lstm_crf"].update({"input_layer.weight": torch.ones(1)}),
            "input_layer.weight cannot be converted",
        ),
        (
            lambda state: state["model"]["lstm_crf"].update({"char_highway.linear.0.weight": torch.ones(1)}),
            "char_highway.linear.0.weight cannot be converted",
        ),
        (
            change_tensor("lstm.bias_hh_l0", lambda x: x[1:]),
            "lstm.bias_hh_l0 has shape (27,) (expected (28))",
        ),
        (change_tensor("lstm.weight_ih_l0", lambda x: x[:, 1:]), "has shape (28, 19) (expected (28, 20))"),
        (change_tensor("crf.transition", lambda x: x[0]), "crf.transition has shape (7,)"),
        (change_tensor("crf.transition", lambda x: x[:-2, :-2]), "crf.transition is too short (got 3 rows"),
        (
            change_tensor("word_embedding.weight", lambda x: x[:-1]),
            "word_embedding.weight is too short (got 6 rows",
        ),
        (change_tensor("word_embedding.weight", lambda x: x.int()), "expected dense floats"),
        (change_tensor("word_embedding.weight", lambda x: x.to_sparse()), "expected dense floats"),
        (change_tensor("word_embedding.weight", lambda x: x / 0), "not finite"),
        (set_value("vocab", "char", {"ab": 2}), "not a single character (got 'ab')"),
        (set_value("vocab", "label", {"O": 1, "PER": 1}), "vocab.label: two names have one index"),
        (set_value("vocab", "label", {"<$PAD$>": 0}), "vocab.label: no names"),
        (set_value("args", "charhw_func", "gelu"), "args.charhw_func: invalid value (got 'gelu'"),
        (set_value("args", "lr", -1.0), "tasks[0].learning_rate: invalid value (got -1.0"),
    ],
)
def test_a_part_without_counterpart_is_refused(
    tmp_path: Path, edit: Callable[[State], None], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    state, _ = original_model.newer()
    edit(state)
    assert message in refused(original_model.save(state, tmp_path / "x.mdl"), capsys)


def test_task_models_with_different_shared_parts_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, _ = original_model.older_multi()
    state["model"]["lstm_crf_ct"]["lstm.bias_ih_l0"] = torch.zeros(28)
    message = refused(original_model.save(state, tmp_path / "x.mdl"), capsys)
    assert "model.lstm_crf_ct: its lstm differs" in message


def test_a_run_folder_that_is_not_empty_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = original_model.save(original_model.newer()[0], tmp_path / "x.mdl")
    run = tmp_path / "run"
    run.mkdir()
    (run / "notes.txt").touch()
    assert "run: exists already (expected a new or an empty folder)" in refused(file, capsys, run)
    assert "exists already" in refused(file, capsys, file)
    assert "cannot be written" in refused(file, capsys, file / "below")
    (run / "notes.txt").unlink()
    assert process("mlmt_jax.convert", file, run).returncode == 0
    assert (run / "config.json").exists()


def test_a_failed_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlmt_jax.runs.checkpoints import Checkpoints

    def raise_disk_full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Checkpoints, "save_best", raise_disk_full)
    file = original_model.save(original_model.newer()[0], tmp_path / "x.mdl")
    assert "run: cannot be written: No space left on device" in refused(file, capsys)
