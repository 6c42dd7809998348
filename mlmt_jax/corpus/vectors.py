"""Word vectors from files: word2vec and fastText text, GloVe text, gzip of these, word2vec binary."""

import io
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

import numpy as np

from mlmt_jax.corpus.bounded_reading import LINE_BYTES, UNPACKS, lines_of, most_bytes, opened
from mlmt_jax.errors import DataError
from mlmt_jax.text.findings import Findings

__all__ = ["Vectors", "read_dimension", "read_vectors"]

_BOM = b"\xef\xbb\xbf"
_HEADER = re.compile(rb"([0-9]{1,18})[ \t]+([0-9]{1,18})")
_NUMBER = re.compile(rb"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LARGEST = float(np.finfo(np.float32).max)
_NUMBER_BYTES = b"0123456789+-.eE "
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_CHUNK_BYTES = 1 << 20
_LONGEST_WORD = 4096  # bytes; GloVe's longest have 1000
_LONGEST_NUMBER = 64  # bytes, on average over a line
_BLOCK = 512  # words whose numbers are parsed together


class Vectors(NamedTuple):
    """Words and their vectors, in the order of the file."""

    words: list[str]
    matrix: np.ndarray  # (words, d) float32


class _Record(NamedTuple):
    """One word of a file and its unparsed numbers."""

    place: str  # "path:line", or "path: word 7" in a binary file
    line: int | None
    word: bytes
    numbers: bytes  # text: the fields, spaces between; binary: little-endian float32


class _Header(NamedTuple):
    count: int
    line_bytes: int


def read_vectors(
    path: str | os.PathLike[str],
    dimension: int,
    *,
    max_words: int,
    wanted: Collection[str] = (),
    skip: Callable[[str], bool] = lambda word: False,
) -> tuple[Vectors, Findings]:
    """Read the first `max_words` words of a vector file and those later ones that are in `wanted`.

    Words that `skip` says are neither counted nor kept.

    The format is told from the content, not from the name. In text, the last `dimension` fields of a
    line are its numbers and all before them is the word, which may contain spaces. Of a word that
    comes again, the first vector counts; a word that is empty, very long or not UTF-8 is left out.
    Reading ends where nothing more is wanted, so that what stands beyond is not checked.

    Raises: DataError with the line for another dimension than `dimension`, for what is not a finite
        number, and for a file that is cut short, holds no vectors or no word that can be used, or
        cannot be opened; for many empty lines together, and for gzip that unpacks to far more than it
        is: a small file must not take hours or all memory.
    """
    with opened(path) as stream:
        return _read(stream, Findings(path), dimension, max_words, frozenset(wanted), skip)


def read_dimension(path: str | os.PathLike[str]) -> int:
    """The dimension of a vector file, from its first line: a header, of binary files as well, or a word's.

    Raises: DataError for a first line that is neither, and for a file that cannot be opened.
    """
    with opened(path) as stream:
        first = stream.readline(LINE_BYTES).removeprefix(_BOM).strip()
    header = _HEADER.fullmatch(first)
    fields = first.split()[1:]
    dimension = int(header[2]) if header else len(list(takewhile(_NUMBER.fullmatch, reversed(fields))))
    if not dimension:
        raise DataError(f"{os.fspath(path)}:1: expected a header, or a word and its numbers: {_clip(first)}")
    return dimension


def _read(
    stream: io.BufferedIOBase,
    findings: Findings,
    dimension: int,
    max_words: int,
    wanted: frozenset[str],
    skip: Callable[[str], bool],
) -> tuple[Vectors, Findings]:
    path = findings.path
    header = _read_header(stream, path, dimension)
    if header and _is_binary(stream, header, dimension):
        records, parse = _binary_records(stream, dimension, header, findings), _parse_binary
    else:
        records, parse = _text_records(stream, dimension, header, findings), _parse_text
    words: list[str] = []
    seen: set[str] = set()
    missing = set(wanted)
    block: list[_Record] = []
    blocks = [np.empty((0, dimension), np.float32)]
    record, usable = None, False
    for record in records:
        word = _decode(record, findings)
        if word is None:
            continue
        usable = True
        if skip(word):
            continue
        if word in seen:
            findings.note("a word that came before; its first vector is used", record.line)
        elif len(words) < max_words or word in missing:
            seen.add(word)
            missing.discard(word)
            words.append(word)
            block.append(record)
            if len(block) == _BLOCK:
                blocks.append(_parse_block(block, parse, dimension))
                block = []
        if len(words) >= max_words and not missing:
            break
    if record is None:
        raise DataError(f"{path}: no vectors in it; expected a word and {dimension} numbers a line")
    if not usable:
        raise DataError(f"{path}: all its words are empty, too long or not UTF-8; expected words in UTF-8")
    blocks.append(_parse_block(block, parse, dimension))
    return Vectors(words, np.concatenate(blocks)), findings


def _decode(record: _Record, findings: Findings) -> str | None:
    """Return the record's word, or None and a finding for one that nothing can ask for."""
    if not record.word:
        findings.note("a vector without a word was left out", record.line)
        return None
    if len(record.word) > _LONGEST_WORD:
        text = f"a word of more than {_LONGEST_WORD} bytes was left out"
        findings.note(text, record.line, example=_clip(record.word))
        return None
    try:
        return record.word.decode()
    except UnicodeDecodeError:
        findings.note("a word that is not UTF-8 was left out", record.line)
        return None


def _read_header(stream: io.BufferedIOBase, path: str, dimension: int) -> _Header | None:
    """Return the header; None where the first line is a word's already, as in GloVe files."""
    first = stream.readline(LINE_BYTES)
    if len(first) == LINE_BYTES and not first.endswith(b"\n"):
        raise DataError(f"{path}:1: the first line has no end; expected word vectors")
    match = _HEADER.fullmatch(first.removeprefix(_BOM).strip())
    if not match:
        return None
    count, found = int(match[1]), int(match[2])
    header = _Header(count, len(first))
    if dimension == 1 and not _is_binary(stream, header, dimension):
        # "7 1" may be the word 7. It is a header where as many words follow, or where longer lines do.
        stream.seek(header.line_bytes)
        sizes = [len(line.split()) for _, line in lines_of(stream, path, 2) if line.strip()]
        if found == 1 and len(sizes) != count:
            return None
        if found != 1 and (not sizes or sizes[0] != found + 1):
            return None
    if found != dimension:
        raise DataError(
            f"{path}:1: the header says {found} dimensions ({count} words); expected dimension {dimension}"
        )
    return header


def _is_binary(stream: io.BufferedIOBase, header: _Header, dimension: int) -> bool:
    """Say whether float32 bytes follow the first word, and not numerals."""
    stream.seek(header.line_bytes)
    sample = stream.read(min(16 * dimension + 1024, _CHUNK_BYTES)).lstrip(b"\n")
    fields = sample.split(b"\n")[0].rsplit(None, dimension)
    if len(fields) == dimension + 1 and all(map(_NUMBER.fullmatch, fields[1:])):
        return False
    # A long line, or a wrong one. Two or three of a float32's four bytes are as good as random, so that
    # those of a vector are not all text.
    floats = sample.partition(b" ")[2][: 4 * dimension]
    try:
        text = floats.decode()
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":  # the cut at 4 * dimension
            return True
        text = floats[: error.start].decode()
    return bool(_CONTROL.search(text))


def _text_records(
    stream: io.BufferedIOBase, dimension: int, header: _Header | None, findings: Findings
) -> Iterator[_Record]:
    path = findings.path
    stream.seek(header.line_bytes if header else 0)
    count = 0
    for number, line in lines_of(stream, path, 1 if header is None else 2):
        line = line.removeprefix(_BOM).rstrip() if number == 1 else line.rstrip()
        if not line:
            continue
        count += 1
        place = f"{path}:{number}"
        if line.count(b" ") == dimension and b"\t" not in line:
            word, _, numbers = line.partition(b" ")
        else:
            word, numbers = _split_unusual(line, place, dimension, is_first=header is None and count == 1)
        if len(numbers) > _LONGEST_NUMBER * dimension:
            raise DataError(f"{place}: {len(numbers)} bytes of numbers; expected {dimension} numbers")
        yield _Record(place, number, word, numbers)
    if header and count != header.count:
        findings.note(f"the header says {header.count} words, but the file has {count}", 1)


def _split_unusual(line: bytes, place: str, dimension: int, *, is_first: bool) -> tuple[bytes, bytes]:
    """Split a line with tabs, with several spaces together, with spaces in its word, or a wrong one."""
    fields = line.rsplit(None, dimension)
    if len(fields) == dimension and line[:1] in b" \t":
        fields.insert(0, b"")
    if len(fields) <= dimension:
        raise DataError(f"{place}: a word and {len(fields) - 1} fields; expected {dimension} numbers")
    word, *numbers = fields
    extra = word.split()[1:]
    if extra and all(map(_NUMBER.fullmatch, extra)) and (is_first or not all(map(bytes.isdigit, extra))):
        # "10 000" is a word; "the 0.12 0.43" is one with more numbers than it should have.
        found = dimension + len(extra)
        raise DataError(f"{place}: a word and {found} numbers; expected {dimension} numbers")
    return word, b" ".join(numbers)


def _binary_records(
    stream: io.BufferedIOBase, dimension: int, header: _Header, findings: Findings
) -> Iterator[_Record]:
    """Yield the records of word2vec binary: word, space, float32 numbers, perhaps a newline."""
    stream.seek(header.line_bytes)
    size, path = 4 * dimension, findings.path
    read, most = 0, most_bytes(stream, path)
    buffer, start = b"", 0
    for index in range(1, header.count + 1):
        while True:
            end = buffer.find(b" ", start)
            if (end if end >= 0 else len(buffer)) - start > _LONGEST_WORD:
                raise DataError(f"{path}: word {index} has no end; expected word2vec binary")
            if 0 <= end < len(buffer) - size:
                break
            chunk = stream.read(_CHUNK_BYTES)
            if not chunk:
                raise DataError(f"{path}: ends within word {index}; its header promises {header.count} words")
            read += len(chunk)
            if read > most:
                raise DataError(f"{path}: word {index}: {UNPACKS}")
            buffer, start = buffer[start:] + chunk, 0
        numbers = buffer[end + 1 : end + 1 + size]
        yield _Record(f"{path}: word {index}", None, buffer[start:end].lstrip(b"\n"), numbers)
        start = end + 1 + size
    if (buffer[start:] + stream.read(2)).strip(b"\n"):
        findings.note(f"the header says {header.count} words, but more follows them", 1)


_Parse = Callable[[Sequence[_Record], int], np.ndarray]


def _parse_block(records: Sequence[_Record], parse: _Parse, dimension: int) -> np.ndarray:
    """Parse many records at once, and one by one only to find the wrong one among them."""
    try:
        return parse(records, dimension)
    except ValueError:
        return np.concatenate([_parse_one(record, parse, dimension) for record in records])


def _parse_one(record: _Record, parse: _Parse, dimension: int) -> np.ndarray:
    try:
        return parse([record], dimension)
    except ValueError:
        raise DataError(_wrong_numbers(record, parse, dimension)) from None


def _parse_text(records: Sequence[_Record], dimension: int) -> np.ndarray:
    text = b" ".join(record.numbers for record in records)
    if text.translate(None, _NUMBER_BYTES):  # nan, inf, 1_0 and other things that float() would take
        raise ValueError
    # No record has more than `dimension` fields, so that the count of all is right only if each one's is.
    with np.errstate(over="ignore"):
        return _finite(np.array(text.split(), dtype=np.float32), len(records), dimension)


def _parse_binary(records: Sequence[_Record], dimension: int) -> np.ndarray:
    flat = np.frombuffer(b"".join(record.numbers for record in records), dtype="<f4")
    return _finite(flat.astype(np.float32), len(records), dimension)


def _finite(flat: np.ndarray, rows: int, dimension: int) -> np.ndarray:
    if not np.isfinite(flat).all():
        raise ValueError
    return flat.reshape(rows, dimension)  # a ValueError where the count is wrong


def _clip(text: bytes) -> str:
    return repr(text[:60].decode(errors="replace") + ("..." if len(text) > 60 else ""))


def _wrong_numbers(record: _Record, parse: _Parse, dimension: int) -> str:
    expected = f"expected a word and {dimension} finite numbers"
    if parse is _parse_binary:
        word = _clip(record.word)
        return f"{record.place} ({word}) has a number that is not finite; {expected}"
    fields = record.numbers.split()
    for field in fields:
        if not _NUMBER.fullmatch(field) or abs(float(field)) > _LARGEST:
            return f"{record.place}: {_clip(field)} is not a finite number; {expected}"
    return f"{record.place}: a word and {len(fields)} numbers; expected {dimension} numbers"
