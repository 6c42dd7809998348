"""Decoding of lines: endings, collected errors, long lines. Further errors are tested with the readers."""

import codecs
import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlmt_jax.errors import DataError
from mlmt_jax.text.findings import Findings
from mlmt_jax.text.lines import decode_lines, open_text


def test_endings_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes("a\r\nb\x85\n\nc".encode())
    assert list(open_text(Findings(path))) == ["a\r\n", "b\x85\n", "\n", "c"]


@pytest.mark.parametrize(
    ("content", "lines", "places"),
    [
        (b"a\n\xe9b\n\xc3\xa9\nc\xe9", ["a\n", "éb\n", "é\n", "cé"], [(2, 1, 2)]),
        (b"a\nb\0c\0\n\0\n", ["a\n", "bc\n", "\n"], [(2, 2, 2)]),
        (b"a\n\xff\x01\nb\n", ["a\n"], [(2, 1, 1)]),  # neither UTF-8 nor any other text
        ("é\nb\n".encode("utf-16"), [], [(1, 1, 1)]),
    ],
)
def test_errors_are_collected_and_further_lines_are_yielded(
    tmp_path: Path, content: bytes, lines: list[str], places: list[tuple[int, int, int]]
) -> None:
    path = tmp_path / "text"
    path.write_bytes(content)
    errors = Findings(path, collect_errors=True)
    assert list(open_text(errors)) == lines
    assert [(error.line, error.column, error.count) for error in errors] == places
    assert all(error.is_error for error in errors)


def test_a_file_that_cannot_be_opened_has_no_lines(tmp_path: Path) -> None:
    errors = Findings(tmp_path / "none", collect_errors=True)
    assert list(open_text(errors)) == []
    assert [(error.line, error.text) for error in errors] == [
        (None, "cannot be read: No such file or directory")
    ]


class CountingText(str):
    """Text that counts the characters of all searches and copies of it."""

    __slots__ = ()
    characters = 0

    def __radd__(self, before: str) -> "CountingText":
        CountingText.characters += len(before) + len(self)
        return CountingText(str(before) + str(self))

    def split(self, *args: object, **kwargs: object) -> list[str]:
        CountingText.characters += len(self)
        return list(map(CountingText, super().split("\n")))


class CountingDecoder(codecs.IncrementalDecoder):
    """A decoder of EBCDIC, whose newline is another byte than in ASCII, to `CountingText`."""

    def decode(self, data: bytes, final: bool = False) -> str:  # type: ignore[override]
        return CountingText(bytes(data).decode("cp037"))


@pytest.fixture
def counting_encoding() -> Iterator[str]:
    """Register an encoding that counts in ``CountingText.characters``, and yield its name."""
    ebcdic = codecs.lookup("cp037")
    info = codecs.CodecInfo(ebcdic.encode, ebcdic.decode, incrementaldecoder=CountingDecoder, name="counting")
    search = {"counting": info}.get
    codecs.register(search)
    CountingText.characters = 0
    yield "counting"
    codecs.unregister(search)


def test_a_line_that_never_ends_is_read_once(counting_encoding: str) -> None:
    raw = b"Piet B-PER\n" * 1000
    [line] = decode_lines(io.BytesIO(raw), counting_encoding, Findings("text"))
    assert line == raw.decode("cp037")
    assert CountingText.characters < 5 * len(raw)


def test_a_line_of_several_mebibytes_is_read() -> None:
    raw = b"a B-LOC.\n" * 2 * 200_000
    [line] = decode_lines(io.BytesIO(raw), "utf-16-le", Findings("text"))
    assert line == raw.decode("utf-16-le")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp037"])
def test_joined_lines_are_the_text(encoding: str) -> None:
    text = "é B\r\n\n\u0a0a x\n ਊ%\u010a\nlast\r" if encoding != "cp037" else "é B\r\n\n% x\nlast"
    lines = list(decode_lines(io.BytesIO(text.encode(encoding)), encoding, Findings("text")))
    assert "".join(lines).removeprefix("\ufeff") == text
    assert all("\n" not in line[:-1] for line in lines)


def test_errors_have_the_column_in_a_line_of_several_chunks() -> None:
    # In UTF-16 the byte "\n" ends no line here: U+0A61 has it too.
    raw = "a\n\u610a\u610ab".encode("utf-16-le") + b"\0\xd8" + b"c\0"
    with pytest.raises(DataError, match=r"text:2:4: a byte that is not utf-16-le"):
        list(decode_lines(io.BytesIO(raw), "utf-16-le", Findings("text")))
    raw = "a\n\u610a\u610a\0b".encode("utf-16-le")
    with pytest.raises(DataError, match=r"text:2:3: a NUL character"):
        list(decode_lines(io.BytesIO(raw), "utf-16-le", Findings("text")))


def test_half_a_character_is_refused_if_the_decoder_accepts_it() -> None:
    raw = b"a O\nb+2AA- O\n"
    with pytest.raises(DataError, match=r"^text:2:2: half a character \(U\+D800\)\n  expected whole"):
        list(decode_lines(io.BytesIO(raw), "utf-7", Findings("text")))
    errors = Findings("text", collect_errors=True)
    lines = list(decode_lines(io.BytesIO(raw), "utf-7", errors))
    assert lines == ["a O\n", "b O\n"]
    assert len(list(errors)) == 1


def test_gzip_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(b"we O\n"))
    with pytest.raises(DataError, match="the file is gzip: unpack it"):
        list(open_text(Findings(path)))


def test_an_encoding_that_fits_only_a_whole_line_is_no_crash(tmp_path: Path) -> None:
    # The bytes are UTF-8; Shift JIS decodes one byte of the letter, and keeps the other to the end.
    path = tmp_path / "text"
    path.write_bytes("ma\u011f".encode())
    errors = Findings(path, collect_errors=True)
    assert list(open_text(errors, "shift_jis")) == ["ma\uff84\ufffd"]
    assert [(error.line, error.column) for error in errors] == [(1, 4)]
