"""Bytes into lines: endings, and going on behind what is refused. Refusals stand with the readers."""

from pathlib import Path

import pytest

from mlmt_jax.data.decoding import open_text
from mlmt_jax.data.findings import Finding


def test_endings_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes("a\r\nb\x85\n\nc".encode())
    assert list(open_text(path)) == ["a\r\n", "b\x85\n", "\n", "c"]


@pytest.mark.parametrize(
    ("content", "lines", "places"),
    [
        (b"a\n\xe9b\n\xc3\xa9\nc\xe9", ["a\n", "éb\n", "é\n", "cé"], [(2, 1, 2)]),
        (b"a\nb\0c\0\n\0\n", ["a\n", "bc\n", "\n"], [(2, 2, 2)]),
        (b"a\n\xff\x01\nb\n", ["a\n"], [(2, 1, 1)]),  # neither UTF-8 nor any other text
        ("é\nb\n".encode("utf-16"), [], [(1, 1, 1)]),
    ],
)
def test_errors_are_listed_and_the_lines_go_on(
    tmp_path: Path, content: bytes, lines: list[str], places: list[tuple[int, int, int]]
) -> None:
    path = tmp_path / "text"
    path.write_bytes(content)
    errors: list[Finding] = []
    assert list(open_text(path, "utf-8", errors)) == lines
    assert [(error.line, error.column, error.count) for error in errors] == places
    assert all(error.is_error for error in errors)


def test_a_file_that_cannot_be_opened_has_no_lines(tmp_path: Path) -> None:
    errors: list[Finding] = []
    assert list(open_text(tmp_path / "none", "utf-8", errors)) == []
    assert [(error.line, error.text) for error in errors] == [
        (None, "cannot be read: No such file or directory")
    ]
