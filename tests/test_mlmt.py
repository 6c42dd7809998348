"""The command `mlmt`, and the examples at the end of each `--help`."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jax
import pytest
import tiny_corpus
from command_lines import process, status

import mlmt_jax
from mlmt_jax.mlmt import COMMANDS, main

ROOT = Path(__file__).resolve().parents[1]
LOOP = ["configure", "check", "train", "evaluate", "predict"]
# The code of a process that prints a help text, and says if it has loaded JAX.
HELP = """
import sys
from mlmt_jax.mlmt import main
try:
    main(sys.argv[1:])
finally:
    print("jax" in sys.modules, file=sys.stderr)
"""


def test_alone_it_lists_the_commands_in_the_order_of_their_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(main) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  ")]
    assert listed == list(COMMANDS)
    assert listed[: len(LOOP)] == LOOP
    assert not [line for line in lines if len(line) > 100]


def test_every_command_of_the_package_is_listed() -> None:
    folder = Path(mlmt_jax.__file__).parent
    texts = {path: path.read_text(encoding="utf-8") for path in folder.rglob("*.py")}
    starts = {path for path, text in texts.items() if "\n    run(main)\n" in text}
    names = {path.parent.name if path.stem == "__main__" else path.stem for path in starts}
    assert names - {"mlmt"} == set(COMMANDS)


def test_an_unknown_command_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(main, "trian", "x.json") == 2
    assert capsys.readouterr().err == "error: mlmt: 'trian' is no command; did you mean \"train\"?\n"


def test_the_version_names_package_jax_and_device(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(main, "--version") == 0
    assert capsys.readouterr().out.startswith(f"mlmt_jax 0.1.0, jax {jax.__version__}, cpu ")


def test_the_script_is_installed() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert scripts == {"mlmt": "mlmt_jax.mlmt:start"}
    done = process("mlmt_jax", "check", "no such file")
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        ["error: no such file: cannot be read: No such file or directory"],
    )


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_loads_no_jax(name: str) -> None:
    words = [name, "--help"] if name else ["--help"]
    done = subprocess.run([sys.executable, "-c", HELP, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == "False\n"


@pytest.fixture
def folder(tiny_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with the files that the examples name."""
    tiny_corpus.write_corpus(tmp_path)
    for split in ("train", "dev", "test"):
        shutil.copy(tmp_path / f"nld.ner.{split}", tmp_path / f"{split}.txt")
    shutil.copytree(tiny_run.folder, tmp_path / "runs" / "my")
    (tmp_path / "tiny.json").rename(tmp_path / "my.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_a_command_runs(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/mlmt"])
    assert status(main, name, "--help") == 0
    *_, title, last = capsys.readouterr().out.splitlines()
    start, _, example = last.partition(f"  mlmt {name} ")
    assert (title, start) == ("example:", "")
    if name == "convert":
        example = example.replace("model.mdl", converted_checkpoint(folder))
    if name == "configure":
        (folder / "my.json").unlink()
    assert status(main, name, *example.split()) == 0, capsys.readouterr().err


def converted_checkpoint(folder: Path) -> str:
    """Write a checkpoint of the PyTorch code; return its name."""
    pytest.importorskip("torch")
    import original_model

    state, _ = original_model.newer()
    return str(original_model.save(state, folder / "model.mdl"))
