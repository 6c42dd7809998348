"""Word vectors from files: word2vec and fastText text, GloVe text, gzip of these, word2vec binary."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from mlmt_jax.corpus.bounded_reading import open_vectors
from mlmt_jax.corpus.vector_records import MAX_WORD_BYTES, NUMBER, Record, clip, read_records
from mlmt_jax.errors import DataError
from mlmt_jax.text.findings import Findings

_MAX_FLOAT32 = float(np.finfo(np.float32).max)
_NUMBER_BYTES = b"0123456789+-.eE "
_BLOCK = 512  # words whose numbers are parsed together


class Vectors(NamedTuple):
    """Words and their vectors, in the order of the file."""

    words: list[str]  # distinct
    matrix: np.ndarray  # (words, d) float32


def read_vectors(
    path: str | os.PathLike[str],
    dimension: int,
    *,
    max_words: int,
    wanted: Collection[str] = (),
    skip: Callable[[str], bool] = lambda word: False,
) -> tuple[Vectors, Findings]:
    """Read the first `max_words` words of a vector file, and further words only if they are in `wanted`.

    The format follows from the content, not from the name. If a word occurs again, its first vector is
    used. A word that is empty, very long or not UTF-8 is left out with a finding. Reading stops once no
    further word can be needed, so the rest of the file is not checked.

    Args:
        path: the file.
        dimension: numbers a word, d.
        max_words: number of words to keep whether wanted or not.
        wanted: words to keep wherever they are in the file.
        skip: true for words that are neither counted nor kept.

    Returns:
        The vectors, and the findings of the file.

    Raises:
        DataError: with file and line, if the file has another dimension, a number that is not finite, no
            usable word, or cannot be read, ends early, or exceeds the bounds of `bounded_reading`.
    """
    findings = Findings(path)
    words: list[str] = []
    blocks = [np.empty((0, dimension), np.float32)]
    with open_vectors(path) as stream:
        records, is_binary = read_records(stream, dimension, findings)
        parse = _parse_binary if is_binary else _parse_text
        selected = _select(records, findings, max_words, wanted, skip)
        while block := list(islice(selected, _BLOCK)):
            words += (word for word, _ in block)
            blocks.append(_parse_block([record for _, record in block], parse, dimension))
    return Vectors(words, np.concatenate(blocks)), findings


def _select(
    records: Iterable[Record],
    findings: Findings,
    max_words: int,
    wanted: Collection[str],
    skip: Callable[[str], bool],
) -> Iterator[tuple[str, Record]]:
    """Yield the words that `read_vectors` keeps, with their records; stop once no further one can be needed.

    Raises:
        DataError: if there is no record, or none with a usable word.
    """
    kept: set[str] = set()
    missing = set(wanted)
    record, is_usable = None, False
    for record in records:
        word = _decode(record, findings)
        if word is None:
            continue
        is_usable = True
        if skip(word):
            continue
        if word in kept:
            findings.note("a word that came before; its first vector is used", record.line)
        elif len(kept) < max_words or word in missing:
            kept.add(word)
            missing.discard(word)
            yield word, record
        if len(kept) >= max_words and not missing:
            break
    if record is None:
        raise DataError(f"{findings.path}: no vectors in it (expected a word and its numbers a line)")
    if not is_usable:
        raise DataError(f"{findings.path}: all its words are empty, too long or not UTF-8 (expected UTF-8)")


def _decode(record: Record, findings: Findings) -> str | None:
    """Return the word of a record; None and a finding if it is empty, too long or not UTF-8."""
    if not record.word:
        findings.note("a vector without a word was left out", record.line)
        return None
    if len(record.word) > MAX_WORD_BYTES:
        text = f"a word of more than {MAX_WORD_BYTES} bytes was left out"
        findings.note(text, record.line, example=clip(record.word))
        return None
    try:
        return record.word.decode()
    except UnicodeDecodeError:
        findings.note("a word that is not UTF-8 was left out", record.line)
        return None


#: (records, dimension) -> their vectors (records, d) float32; ValueError if a record is invalid.
_Parse = Callable[[Sequence[Record], int], np.ndarray]


def _parse_block(records: Sequence[Record], parse: _Parse, dimension: int) -> np.ndarray:
    """Return the vectors of many records, (records, d) float32.

    Raises:
        DataError: with the place of the first invalid record.
    """
    try:
        return parse(records, dimension)
    except ValueError:
        if len(records) == 1:
            raise DataError(_describe_problem(records[0], parse, dimension)) from None
        return np.concatenate([_parse_block([record], parse, dimension) for record in records])


def _parse_text(records: Sequence[Record], dimension: int) -> np.ndarray:
    text = b" ".join(record.numbers for record in records)
    if text.translate(None, _NUMBER_BYTES):  # nan, inf, 1_0 and other things that float() would accept
        raise ValueError
    # No record has more than `dimension` fields: their total is right only if each record has that many.
    with np.errstate(over="ignore"):
        return _to_matrix(np.array(text.split(), dtype=np.float32), len(records), dimension)


def _parse_binary(records: Sequence[Record], dimension: int) -> np.ndarray:
    numbers = np.frombuffer(b"".join(record.numbers for record in records), dtype="<f4")
    return _to_matrix(numbers.astype(np.float32), len(records), dimension)


def _to_matrix(numbers: np.ndarray, rows: int, dimension: int) -> np.ndarray:
    """Return the numbers as (rows, dimension); ValueError if one is not finite or their count is another."""
    if not np.isfinite(numbers).all():
        raise ValueError
    return numbers.reshape(rows, dimension)


def _describe_problem(record: Record, parse: _Parse, dimension: int) -> str:
    """Return the message about a record that `parse` refuses."""
    expected = f"expected a word and {dimension} finite numbers"
    if parse is _parse_binary:
        return f"{record.place} ({clip(record.word)}) has a number that is not finite; {expected}"
    fields = record.numbers.split()
    for field in fields:
        if not NUMBER.fullmatch(field) or abs(float(field)) > _MAX_FLOAT32:
            return f"{record.place}: {clip(field)} is not a finite number; {expected}"
    return f"{record.place}: a word and {len(fields)} numbers; expected {dimension} numbers"
