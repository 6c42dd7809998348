"""Word vectors from files: word2vec and fastText text, GloVe text, gzip of these, word2vec binary."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
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
    path: str | Path,
    dimension: int,
    *,
    max_words: int,
    extra_words: Collection[str] = (),
    skip: Callable[[str], bool] = lambda word: False,
) -> tuple[Vectors, Findings]:
    """Read the first `max_words` words of a vector file, and later words if they are in `extra_words`.

    The format follows from the content, not from the name. If a word occurs again, its first vector is
    used. A word that is empty, very long or not UTF-8 is left out with a finding. Reading stops once no
    further word can be needed, so the rest of the file is not checked.

    Args:
        path: the file.
        dimension: numbers a word, d.
        max_words: words at the start of the file to keep.
        extra_words: words to keep wherever they are in the file.
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
        selected = _select(records, findings, max_words, extra_words, skip)
        while block := list(islice(selected, _BLOCK)):
            words += (word for word, _ in block)
            blocks.append(_parse_block([record for _, record in block], dimension, is_binary))
    return Vectors(words, np.concatenate(blocks)), findings


def _select(
    records: Iterable[Record],
    findings: Findings,
    max_words: int,
    extra_words: Collection[str],
    skip: Callable[[str], bool],
) -> Iterator[tuple[str, Record]]:
    """Yield the words that `read_vectors` keeps, with their records; stop once no further one can be needed.

    Raises:
        DataError: if there is no record, or none with a usable word.
    """
    selected: set[str] = set()
    missing = set(extra_words)
    record, is_usable = None, False
    for record in records:
        word = _decode(record, findings)
        if word is None:
            continue
        is_usable = True
        if skip(word):
            continue
        if word in selected:
            findings.note("a word that came before; its first vector is used", record.line)
        elif len(selected) < max_words or word in missing:
            selected.add(word)
            missing.discard(word)
            yield word, record
        if len(selected) >= max_words and not missing:
            break
    if record is None:
        raise DataError(f"{findings.path}: no vectors in it (expected a word and its numbers a line)")
    if not is_usable:
        raise DataError(f"{findings.path}: all its words are empty, too long or not UTF-8 (expected UTF-8)")


def _decode(record: Record, findings: Findings) -> str | None:
    """Return the word of a record; None and a finding if it is empty, too long or not UTF-8."""
    text, example = "a vector without a word was left out", ""
    if len(record.word) > MAX_WORD_BYTES:
        text, example = f"a word of more than {MAX_WORD_BYTES} bytes was left out", clip(record.word)
    elif record.word:
        try:
            return record.word.decode()
        except UnicodeDecodeError:
            text = "a word that is not UTF-8 was left out"
    findings.note(text, record.line, example=example)
    return None


def _parse_block(records: Sequence[Record], dimension: int, is_binary: bool) -> np.ndarray:
    """Return the vectors of many records, (records, d) float32.

    Raises:
        DataError: with the place of the first invalid record.
    """
    try:
        return _parse(records, dimension, is_binary)
    except ValueError:
        if len(records) == 1:
            raise DataError(_describe_problem(records[0], dimension, is_binary)) from None
        return np.concatenate([_parse_block([record], dimension, is_binary) for record in records])


def _parse(records: Sequence[Record], dimension: int, is_binary: bool) -> np.ndarray:
    """Return what `_parse_block` returns; ValueError if any record is invalid."""
    fields = [record.numbers for record in records]
    if is_binary:
        numbers = np.frombuffer(b"".join(fields), dtype="<f4").astype(np.float32)
    else:
        text = b" ".join(fields)
        if text.translate(None, _NUMBER_BYTES):  # nan, inf, 1_0 and other things that float() would accept
            raise ValueError
        with np.errstate(over="ignore"):
            numbers = np.array(text.split(), dtype=np.float32)
    if not np.isfinite(numbers).all():
        raise ValueError
    # No record has more than `dimension` numbers: their total is right only if each record has that many.
    return numbers.reshape(len(records), dimension)


def _describe_problem(record: Record, dimension: int, is_binary: bool) -> str:
    """Return the message about a record that `_parse` refuses."""
    expected = f"expected a word and {dimension} finite numbers"
    if is_binary:
        return f"{record.place} ({clip(record.word)}) has a number that is not finite; {expected}"
    fields = record.numbers.split()
    for field in fields:
        if not NUMBER.fullmatch(field) or abs(float(field)) > _MAX_FLOAT32:
            return f"{record.place}: {clip(field)} is not a finite number; {expected}"
    return f"{record.place}: a word and {len(fields)} numbers; expected {dimension} numbers"
