"""Seals of folders, and the damage that they reveal."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlmt_jax.runs.seal import seal, seal_problem

CONTENT = {"a": b"some bytes", "b/c": bytes(range(256)), "b/empty": b""}


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    for name, content in CONTENT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    seal(folder, "a run")
    return folder


def test_unchanged_folder_is_sound(sealed: Path) -> None:
    assert seal_problem(sealed, "a run") is None
    assert seal_problem(sealed.rename(sealed.with_name("moved")), "a run") is None


def test_seal_of_another_run_is_a_problem(sealed: Path) -> None:
    assert seal_problem(sealed, "another") == "belongs to another run, or run.json is damaged"


def replace_with_link(path: Path) -> None:
    """Move a file or folder to another place and link to it."""
    path.symlink_to(path.rename(path.parents[1] / "elsewhere"))


def seal_nothing(folder: Path) -> None:
    """Delete all files; write a seal that lists none."""
    for name in CONTENT:
        (folder / name).unlink()
    (folder / "checksums.json").write_text('{"run": "a run", "sha256": {}}', encoding="utf-8")


DAMAGE: list[tuple[str, Callable[[Path], object]]] = [
    ("a is damaged", lambda folder: (folder / "a").write_bytes(CONTENT["a"][:-1])),
    ("a is damaged", lambda folder: (folder / "a").write_bytes(CONTENT["a"] + b"\0")),
    ("b/c is missing", lambda folder: (folder / "b" / "c").unlink()),
    ("b/new does not belong to it", lambda folder: (folder / "b" / "new").touch()),
    ("checksums.json is missing", lambda folder: (folder / "checksums.json").unlink()),
    ("checksums.json is damaged", lambda folder: (folder / "checksums.json").write_text("{")),
    ("checksums.json is damaged", lambda folder: (folder / "checksums.json").write_text("[]")),
    ("checksums.json is damaged", lambda folder: (folder / "checksums.json").write_bytes(b"\xff")),
    ("checksums.json is missing", lambda folder: folder.rename(folder.with_name("moved"))),
    ("checksums.json is damaged", lambda folder: seal_nothing(folder)),
    ("is a link", lambda folder: replace_with_link(folder)),
    ("a is a link or", lambda folder: replace_with_link(folder / "a")),
    ("b is a link or", lambda folder: replace_with_link(folder / "b")),
    ("checksums.json is a link or", lambda folder: replace_with_link(folder / "checksums.json")),
    ("b/new is a link or a special file", lambda folder: os.mkfifo(folder / "b" / "new")),
]


@pytest.mark.parametrize(("problem", "damage"), DAMAGE)
def test_changed_folder_has_a_problem(sealed: Path, problem: str, damage: Callable[[Path], object]) -> None:
    if " link" in problem and os.name != "posix":
        pytest.skip("links need rights on this system")
    damage(sealed)
    assert (seal_problem(sealed, "a run") or "").startswith(problem)


def test_every_changed_bit_is_a_problem(sealed: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("a", "b/c", "checksums.json"):
        path = sealed / name
        content = path.read_bytes().rstrip(b"\n")
        for place in random.integers(len(content), size=40):
            changed = content[place] ^ 1 << int(random.integers(8))
            if name == "checksums.json" and chr(content[place]).isspace():
                continue  # white space between values
            path.write_bytes(content[:place] + bytes([changed]) + content[place + 1 :])
            assert seal_problem(sealed, "a run") is not None, (name, place)
        path.write_bytes(content)
    assert seal_problem(sealed, "a run") is None
