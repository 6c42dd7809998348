"""Code blocks of all READMEs: Python runs, shell commands name flags, files and config keys that exist."""

import functools
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from command_lines import process

from mlmt_jax import Tagger
from mlmt_jax.config import load_config

ROOT = Path(__file__).resolve().parents[1]
READMES = [
    ROOT / "README.md",
    *(p for d in ("bench", "configs", "mlmt_jax") for p in (ROOT / d).rglob("README.md")),
]
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in READMES}

FLAG = re.compile(r"--[a-z][\w-]*")
CODE = re.compile(r"`([^`\n]+)`")


def blocks(language: str) -> list[Any]:
    """List the code blocks of one language, as parameters named after their README."""
    pattern = re.compile(rf"^```{language}\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return [pytest.param(code, id=name) for name, text in TEXTS.items() for code in pattern.findall(text)]


def commands(block: str) -> list[list[str]]:
    """Split a shell block into the words of each simple command; the brackets of a synopsis are dropped."""
    lines = block.replace("\\\n", " ").splitlines()
    simple = [part for line in lines for part in re.split(r"&&|\|(?= )", line)]
    return [shlex.split(re.sub(r"[\[\]]|(?<= )\| ", " ", part), comments=True) for part in simple]


@functools.cache
def help_text(*command: str) -> str:
    """Return what a command prints for --help, or the source of a bench."""
    if command[0].startswith("bench/"):
        return (ROOT / command[0]).read_text(encoding="utf-8")
    done = process(*command, "--help")
    assert done.returncode == 0, done.stderr
    return done.stdout


def help_of(words: list[str]) -> str | None:
    """Return the help of a command line of this project, or None for another program's."""
    start = next((i for i, word in enumerate(words) if Path(word).name in ("python", "mlmt")), None)
    if start is None:
        return None
    is_python, words = words[start].endswith("python"), words[start + 1 :]
    if is_python:
        return help_text(words[0]) if words[0].startswith("bench/") else None
    if words[0].startswith("-"):
        return None
    return help_text(f"mlmt_jax.{words[0]}", *(words[1:2] if words[0] == "configure" else []))


@pytest.fixture
def names(tiny_run: Any, tmp_path: Path) -> dict[str, Any]:
    """Provide the names that the Python blocks use without defining them."""
    file = tmp_path / "exported"
    Tagger.load(tiny_run.folder).export(file)
    return {"FILE": file, "runs/quickstart": tiny_run.folder}


@pytest.mark.parametrize("code", blocks("python"))
def test_a_python_block_runs(code: str, names: dict[str, Any]) -> None:
    exec(code.replace('"runs/quickstart"', repr(str(names["runs/quickstart"]))), {"FILE": names["FILE"]})


def test_there_are_blocks() -> None:
    assert len(blocks("python")) == 4
    assert len(blocks("sh")) > 20


@pytest.mark.parametrize("block", blocks("sh"))
def test_a_shell_block_names_flags_and_files_that_exist(block: str) -> None:
    for words in commands(block):
        text = help_of(words)
        if text is None:
            continue
        known = set(FLAG.findall(text))
        assert {flag for word in words if (flag := word.partition("=")[0]).startswith("--")} <= known, words
        assert not [word for word in words if word.startswith("configs/") and not (ROOT / word).is_file()]


def overrides(line: str) -> list[str]:
    """List the overrides in one line of a README, except of the data's folder."""
    written = re.findall(r"--set ([a-z][\w.]*=\w[\w.]*)", line)
    return [override for override in written if not override.startswith("data_root=")]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_overrides_are_accepted(text: str) -> None:
    for values in filter(None, map(overrides, text.splitlines())):
        load_config(ROOT / "configs" / "quickstart.json", values)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_flags_in_prose_exist(text: str) -> None:
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    modules = ("train", "check", "config", "convert", "evaluate", "predict", "export", "pack")
    helps = [help_text(f"mlmt_jax.{module}") for module in modules]
    helps += [help_text("mlmt_jax.configure", which) for which in ("single", "multi")]
    helps += [help_text(str(path.relative_to(ROOT))) for path in (ROOT / "bench").glob("*.py")]
    known = {flag for text in helps for flag in FLAG.findall(text)}
    used = {flag for code in CODE.findall(prose) for flag in FLAG.findall(code)}
    assert used <= known | {"--help"}
