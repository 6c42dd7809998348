"""The command ``convert`` without PyTorch."""

import sys
from pathlib import Path

import pytest
from command_lines import is_one_message, status

from mlmt_jax.convert.__main__ import main


def test_the_message_names_the_extra_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    file = tmp_path / "x.mdl"
    file.touch()
    assert status(main, file, tmp_path / "run") == 2
    message = capsys.readouterr().err
    assert is_one_message(message)
    assert message.count("\n") == 1
    assert 'pip install "mlmt-jax[convert]"' in message
    assert list(tmp_path.iterdir()) == [file]
