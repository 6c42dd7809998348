"""Seals hold nothing but what was sealed."""

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


def test_a_folder_as_it_was_sealed(sealed: Path) -> None:
    assert seal_problem(sealed, "a run") is None
    assert seal_problem(sealed.rename(sealed.with_name("moved")), "a run") is None


def test_a_seal_of_another_run(sealed: Path) -> None:
    assert seal_problem(sealed, "another") == "belongs to another run, or run.json is damaged"


def _lead_out(path: Path) -> None:
    """Has the same content come from elsewhere."""
    path.symlink_to(path.rename(path.parents[1] / "elsewhere"))


def _empty(folder: Path) -> None:
    """A seal of nothing, of what has no files."""
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
    ("checksums.json is damaged", lambda folder: _empty(folder)),
    ("is a link", lambda folder: _lead_out(folder)),
    ("a is a link or", lambda folder: _lead_out(folder / "a")),
    ("b is a link or", lambda folder: _lead_out(folder / "b")),
    ("checksums.json is a link or", lambda folder: _lead_out(folder / "checksums.json")),
    ("b/new is a link or a special file", lambda folder: os.mkfifo(folder / "b" / "new")),
]


@pytest.mark.parametrize(("wrong", "damage"), DAMAGE)
def test_a_folder_that_is_not_as_it_was(sealed: Path, wrong: str, damage: Callable[[Path], object]) -> None:
    if " link" in wrong and os.name != "posix":
        pytest.skip("links need rights here")
    damage(sealed)
    found = seal_problem(sealed, "a run")
    assert found is not None
    assert found.startswith(wrong)


def test_every_bit_counts(sealed: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("a", "b/c", "checksums.json"):
        path = sealed / name
        whole = path.read_bytes().rstrip(b"\n")
        for place in random.integers(len(whole), size=40):
            changed = whole[place] ^ 1 << int(random.integers(8))
            if name == "checksums.json" and chr(whole[place]).isspace():
                continue  # between values
            path.write_bytes(whole[:place] + bytes([changed]) + whole[place + 1 :])
            assert seal_problem(sealed, "a run") is not None, (name, place)
        path.write_bytes(whole)
    assert seal_problem(sealed, "a run") is None
