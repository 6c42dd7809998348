"""The command line where PyTorch is not installed."""

import sys
from pathlib import Path

import pytest
from command_lines import is_one_message, status

from mlmt_jax.convert import main


def test_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    file = tmp_path / "x.mdl"
    file.touch()
    assert status(main, file, tmp_path / "run") == 2
    said = capsys.readouterr().err
    assert is_one_message(said)
    assert said.count("\n") == 1
    assert 'pip install "mlmt-jax[convert]"' in said
    assert list(tmp_path.iterdir()) == [file]
