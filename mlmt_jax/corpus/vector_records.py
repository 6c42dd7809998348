"""The layout of vector files: a header, perhaps, and a record a word, in text or in word2vec binary."""

import codecs
import io
import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from mlmt_jax.corpus.bounded_reading import EXPANSION_PROBLEM, max_bytes, open_vectors, read_lines
from mlmt_jax.errors import DataError
from mlmt_jax.text.findings import Findings

_BOM = b"\xef\xbb\xbf"
_HEADER = re.compile(rb"([0-9]{1,18})[ \t]+([0-9]{1,18})")  # number of words, dimension
NUMBER = re.compile(rb"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
MAX_WORD_BYTES = 4096  # the longest words of the GloVe files have 1000
_MAX_NUMBER_BYTES = 64  # on average over a line
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_CHUNK_BYTES = 1 << 20


class Record(NamedTuple):
    """One word of a file and its unparsed numbers."""

    place: str  # "path:line", or "path: word 7" in a binary file
    line: int | None  # 1-based; None in a binary file
    word: bytes
    numbers: bytes  # text: the fields with spaces between them; binary: little-endian float32


class _Header(NamedTuple):
    """The first line of word2vec and fastText files."""

    words: int  # as the file states
    line_bytes: int  # including the line ending


def read_dimension(path: str | Path) -> int:
    """Return the dimension of a vector file, from its first line: a header, or a word and its numbers.

    Raises:
        DataError: if the first line is neither, or the file cannot be read.
    """
    with open_vectors(path) as stream:
        _, line = next(read_lines(stream, str(path), 1), (1, b""))
    line = line.removeprefix(_BOM).strip()
    header = _HEADER.fullmatch(line)
    numbers = list(takewhile(NUMBER.fullmatch, reversed(line.split()[1:])))
    if not header and not numbers:
        raise DataError(f"{path}:1: expected a header, or a word and its numbers: {clip(line)}")
    return int(header[2]) if header else len(numbers)


def read_records(
    stream: io.BufferedIOBase, dimension: int, findings: Findings
) -> tuple[Iterator[Record], bool]:
    """Recognise the format of a vector file from its content.

    Args:
        stream: the open file, at its start.
        dimension: numbers a word.
        findings: the findings of the file; reading adds to them.

    Returns:
        The records in the order of the file, read as they are used; true if their numbers are binary.

    Raises:
        DataError: with file and line, now or while the records are read, if the file has another dimension,
            a record is incomplete or too long, or the bounds of `bounded_reading` are exceeded.
    """
    header = _read_header(stream, findings.path, dimension)
    if header and _is_binary(stream, header, dimension):
        return _binary_records(stream, dimension, header, findings), True
    return _text_records(stream, dimension, header, findings), False


def _read_header(stream: io.BufferedIOBase, path: str, dimension: int) -> _Header | None:
    """Return the header; None if the first line is the record of a word, as in GloVe files.

    Raises:
        DataError: if the header states another dimension than `dimension`, or the line is too long.
    """
    _, first = next(read_lines(stream, path, 1), (1, b""))
    match = _HEADER.fullmatch(first.removeprefix(_BOM).strip())
    if not match:
        return None
    header, stated = _Header(int(match[1]), len(first)), int(match[2])
    if dimension == 1 and not _is_binary(stream, header, dimension):
        # "7 1" may be the word 7. It is a header if that many lines follow, or if longer lines do.
        stream.seek(header.line_bytes)
        sizes = [len(line.split()) for _, line in read_lines(stream, path, 2) if line.strip()]
        if (len(sizes) != header.words) if stated == 1 else (sizes[:1] != [stated + 1]):
            return None
    if stated != dimension:
        text = f"the header says {stated} dimensions ({header.words} words); expected dimension {dimension}"
        raise DataError(f"{path}:1: {text}")
    return header


def _is_binary(stream: io.BufferedIOBase, header: _Header, dimension: int) -> bool:
    """Return True if float32 bytes, not numerals, follow the first word. Moves the stream."""
    stream.seek(header.line_bytes)
    sample = stream.read(min(16 * dimension + 1024, _CHUNK_BYTES)).lstrip(b"\n")
    fields = sample.split(b"\n")[0].rsplit(None, dimension)
    if len(fields) == dimension + 1 and all(map(NUMBER.fullmatch, fields[1:])):
        return False
    # A long line, or an invalid one. Two or three bytes of each float32 are as good as random: a vector
    # contains bytes that are not text.
    floats = sample.partition(b" ")[2][: 4 * dimension]
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(floats)  # may end within a character
    except UnicodeDecodeError:
        return True
    return bool(_CONTROL.search(text))


def _text_records(
    stream: io.BufferedIOBase, dimension: int, header: _Header | None, findings: Findings
) -> Iterator[Record]:
    """Yield the records of a text file, one a line; empty lines are skipped.

    The last `dimension` fields of a line are its numbers, all before them is the word, which may contain
    spaces. At the end, note a finding if the header states another number of words.

    Raises:
        DataError: on a line with too few or too many fields, or with very long numbers.
    """
    stream.seek(header.line_bytes if header else 0)
    count = 0
    for number, line in read_lines(stream, findings.path, 2 if header else 1):
        line = line.removeprefix(_BOM).rstrip() if number == 1 else line.rstrip()
        if not line:
            continue
        count += 1
        place = f"{findings.path}:{number}"
        if line.count(b" ") == dimension and b"\t" not in line:
            word, _, numbers = line.partition(b" ")
        else:
            word, numbers = _split_unusual(line, place, dimension, is_first=not header and count == 1)
        if len(numbers) > _MAX_NUMBER_BYTES * dimension:
            raise DataError(f"{place}: {len(numbers)} bytes of numbers; expected {dimension} numbers")
        yield Record(place, number, word, numbers)
    if header and count != header.words:
        findings.note(f"the header says {header.words} words, but the file has {count}", 1)


def _split_unusual(line: bytes, place: str, dimension: int, *, is_first: bool) -> tuple[bytes, bytes]:
    """Split a line with tabs, repeated spaces or a word with spaces into word and numbers.

    Args:
        line: the line without its ending.
        place: "path:line", for messages.
        dimension: the number of numbers.
        is_first: true for the first record of a file without a header.

    Raises:
        DataError: if the number of numbers is not `dimension`.
    """
    fields = line.rsplit(None, dimension)
    if len(fields) == dimension and line[:1] in b" \t":
        fields.insert(0, b"")
    if len(fields) <= dimension:
        raise DataError(f"{place}: a word and {len(fields) - 1} fields; expected {dimension} numbers")
    word, *numbers = fields
    extra = word.split()[1:]
    if extra and all(map(NUMBER.fullmatch, extra)) and (is_first or not all(map(bytes.isdigit, extra))):
        # "10 000" is a word, "the 0.12 0.43" is one with too many numbers. At the first record, too many
        # integers are more likely: the file has another dimension.
        count = dimension + len(extra)
        raise DataError(f"{place}: a word and {count} numbers; expected {dimension} numbers")
    return word, b" ".join(numbers)


def _binary_records(
    stream: io.BufferedIOBase, dimension: int, header: _Header, findings: Findings
) -> Iterator[Record]:
    """Yield the records of word2vec binary: word, space, float32 numbers, perhaps a newline.

    At the end, note a finding if more follows than the header states.

    Raises:
        DataError: if the file ends early, a word is too long or gzip expands too far.
    """
    stream.seek(header.line_bytes)
    path, size = findings.path, 4 * dimension
    limit = max_bytes(stream, path)
    buffer, start = b"", 0
    for index in range(1, header.words + 1):
        while True:
            end = buffer.find(b" ", start)
            if (end if end >= 0 else len(buffer)) - start > MAX_WORD_BYTES:
                raise DataError(f"{path}: word {index} has no end (expected word2vec binary)")
            if 0 <= end < len(buffer) - size:
                break
            chunk = stream.read(_CHUNK_BYTES)
            if not chunk:
                raise DataError(f"{path}: ends within word {index} (header: {header.words} words)")
            if stream.tell() > limit:
                raise DataError(f"{path}: word {index}: {EXPANSION_PROBLEM}")
            buffer, start = buffer[start:] + chunk, 0
        numbers = buffer[end + 1 : end + 1 + size]
        yield Record(f"{path}: word {index}", None, buffer[start:end].lstrip(b"\n"), numbers)
        start = end + 1 + size
    if (buffer[start:] + stream.read(2)).strip(b"\n"):
        findings.note(f"the header says {header.words} words, but more follows them", 1)


def clip(text: bytes) -> str:
    """Return the first 60 bytes as a quoted string for messages."""
    return repr(text[:60].decode(errors="replace") + ("..." if len(text) > 60 else ""))
