"""Column files: CoNLL-U, CoNLL-2003, token-tag files; streaming blocks, sentences, format guessing."""

import codecs
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, NamedTuple

from mlmt_jax.data.findings import Finding, add_finding
from mlmt_jax.errors import DataError

__all__ = [
    "Block",
    "ColumnFormat",
    "Sentence",
    "decode_lines",
    "guess_format",
    "iter_blocks",
    "open_text",
    "read_conll",
    "split_columns",
]

_BOM = "\ufeff"
_DOCSTART = "-DOCSTART-"
_RANGE_OR_EMPTY_NODE = re.compile(r"[0-9]+[-.][0-9]+")  # CoNLL-U's ids "1-2" and "8.1"
_SPAN_TAG = re.compile(r"O|[BIESLU]-.+")
_LINES_TO_GUESS_FROM = 2000
_LIKELY_ENCODINGS = {"utf-8": "UTF-8", "cp1252": "latin-1 or cp1252"}
_NO_SENTENCE = "no sentence in it; expected one token a line and blank lines between sentences"


@dataclass(frozen=True)
class ColumnFormat:
    """Where a file's tokens and tags stand. Columns count from 0; negative ones from the end.

    `separator` None means tabs where the line has one, else runs of spaces; " " means runs of spaces;
    any other string is taken literally. No other white space separates, non-breaking spaces least.

    With `skip_comment`, a line that starts with "#" is a comment where it stands before the first
    token of its sentence or has another number of columns than that token's line.
    """

    token_col: int = 0
    label_col: int = 1
    separator: str | None = None
    skip_comment: bool = True
    encoding: str = "utf-8"  # a byte order mark at the start of the file is accepted and dropped


class Sentence(NamedTuple):
    """One sentence; `tags` is empty where the file was read without labels."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    line: int  # 1-based line of the first token


class Block(NamedTuple):
    """The lines of one sentence, up to and with the blank line that ends it; perhaps without a token."""

    lines: list[str]  # as they stand in the file, without their line endings
    rows: list[int]  # indices into `lines` of those that carry a token
    tokens: list[str]  # one a row
    tags: list[str]  # one a row, or empty where the file is read without labels
    line: int  # 1-based line of lines[0]


def open_text(path: str | os.PathLike[str], encoding: str = "utf-8") -> Iterator[str]:
    """Yield a text file's lines with their endings, strictly decoded.

    Raises: DataError for a file that cannot be opened, for bytes that do not decode, for a NUL.
    """
    try:
        with open(path, "rb") as stream:
            yield from decode_lines(stream, encoding, os.fspath(path))
    except OSError as error:
        raise DataError(f"{os.fspath(path)}: cannot be read: {error.strerror or error}") from None


def decode_lines(stream: BinaryIO, encoding: str, path: str) -> Iterator[str]:
    r"""Yield the lines of a binary stream; only "\n" ends a line, and a token may hold U+2028 or "\x85".

    Raises: DataError with `path`, line, byte and encoding for bytes that do not decode; for a NUL;
        for an encoding that does not exist.
    """
    try:
        b" ".decode(encoding, "replace")  # refuses the codecs that are no text encodings
        decoder = codecs.getincrementaldecoder(encoding)()
    except LookupError:
        raise DataError(f"{path}: there is no text encoding {encoding!r}") from None
    number, pending = 1, ""
    # The incremental decoder is for UTF-16, where the byte "\n" can be half a character.
    for raw in stream:
        try:
            text = pending + decoder.decode(raw)
        except UnicodeDecodeError as error:
            raise DataError(_undecodable(error, raw, encoding, path, number)) from None
        if "\0" in text:
            raise DataError(
                f"{path}:{number}: a NUL character; expected text, and this looks like a binary file"
            )
        *whole, pending = text.split("\n")
        for line in whole:
            yield line + "\n"
            number += 1
    try:
        pending += decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise DataError(_undecodable(error, error.object, encoding, path, number)) from None
    if number == 1 and "\r" in pending.strip("\r"):
        raise DataError(f"{path}: its only line endings are carriage returns; expected newlines")
    if pending:
        yield pending


def _undecodable(error: UnicodeDecodeError, raw: bytes, encoding: str, path: str, number: int) -> str:
    byte = error.object[error.start]
    message = f"{path}:{number}: the byte 0x{byte:02x} is not {encoding}"
    if number == 1 and raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return f'{message}; the file looks like UTF-16 (encoding "utf-16")'
    for likely, words in _LIKELY_ENCODINGS.items():
        try:
            text = raw.decode(likely).strip().replace("\t", " ").replace("\xa0", " ")
        except UnicodeDecodeError:
            continue
        if text.isprintable():  # a line of a binary file has control characters
            return f'{message}; the file looks like {words} (encoding "{likely}")'
    return f"{message}; is it a text file?"


def read_conll(
    path: str | os.PathLike[str], fmt: ColumnFormat, *, labelled: bool = True
) -> tuple[list[Sentence], list[Finding]]:
    """Read the sentences of a column file, and what in it is suspicious.

    Raises: DataError with file and line for undecodable text, missing columns, empty tags, no tokens.
    """
    name = os.fspath(path)
    findings: list[Finding] = []
    blocks = iter_blocks(open_text(path, fmt.encoding), fmt, labelled=labelled, path=name, findings=findings)
    sentences = [
        Sentence(tuple(block.tokens), tuple(block.tags), block.line + block.rows[0])
        for block in blocks
        if block.rows
    ]
    if not sentences:
        raise DataError(f"{name}: {_NO_SENTENCE}")
    return sentences, findings


def iter_blocks(
    lines: Iterable[str],
    fmt: ColumnFormat,
    *,
    labelled: bool,
    path: str,
    findings: list[Finding] | None = None,
) -> Iterator[Block]:
    """Yield a column file's blocks as its lines come; the lines of all blocks are the lines of the file.

    Comments, multi-word ranges, empty nodes and `-DOCSTART-` lines stay in `lines` and are no rows.
    A `-DOCSTART-` line is a block of its own, and so is a blank line that ends no sentence.

    Arguments: `lines` with or without their endings; `path` for messages; `findings` to be added to.
    Raises: DataError with file and line for a missing column or an empty tag.
    """
    findings = [] if findings is None else findings
    need = _columns_needed(fmt, labelled)
    width = 0  # columns of the file's first token line
    shape = (0, False)  # of the sentence's first token line
    block = _empty_block(1)
    for number, line in enumerate(lines, 1):
        line = line.removesuffix("\n").removesuffix("\r")
        if number == 1:
            line = line.removeprefix(_BOM)
        if not line or line.isspace():
            block.lines.append(line)
            yield block
            block = _empty_block(number + 1)
            continue
        cells = split_columns(line, fmt.separator, width or need)
        if line.startswith(_DOCSTART) or _DOCSTART in cells:
            if block.lines:
                yield block
            yield Block([line], [], [], [], number)
            block = _empty_block(number + 1)
            continue
        block.lines.append(line)
        may_be_token = bool(block.rows) and _shape(line, cells, fmt) == shape
        if fmt.skip_comment and line.startswith("#") and not may_be_token:
            continue
        if _is_range_or_empty_node(cells, fmt):
            continue
        if len(cells) < need:
            raise DataError(_missing_column(path, number, line, cells, fmt, labelled))
        width = width or len(cells)
        if len(cells) != width:
            text = f"a token line whose number of columns is not that of the file's first, {width}"
            add_finding(findings, path, number, text)
        if not block.rows:
            shape = _shape(line, cells, fmt)
            _find_swallowed_tokens(block, shape, fmt, path, findings)
        if not cells[fmt.token_col]:
            add_finding(findings, path, number, "an empty token")
        block.rows.append(len(block.lines) - 1)
        block.tokens.append(cells[fmt.token_col])
        if labelled:
            tag = cells[fmt.label_col]
            if not tag:
                raise DataError(
                    f"{path}:{number}: the tag (label_col {fmt.label_col}) is empty: {_clip(line)}"
                )
            block.tags.append(tag)
    if block.lines:
        yield block


def _empty_block(line: int) -> Block:
    return Block([], [], [], [], line)


def _columns_needed(fmt: ColumnFormat, labelled: bool) -> int:
    """Return the smallest number of columns in which the token and the tag exist and are not the same."""
    columns = [fmt.token_col, fmt.label_col] if labelled else [fmt.token_col]
    need = max(c + 1 if c >= 0 else -c for c in columns)
    return need + (len({c % need for c in columns}) < len(set(columns)))


def split_columns(line: str, separator: str | None, width: int = 0) -> list[str]:
    """Split a line into its cells, stripped of spaces; `width` is the number of columns to expect."""
    if separator not in (None, " ") or (separator is None and "\t" in line):
        return [cell.strip(" ") for cell in line.split(separator or "\t")]
    cells = [cell for cell in line.split(" ") if cell]
    # Leading spaces are indentation, unless the line is short of a column without them: an empty token.
    return ["", *cells] if line[0] == " " and len(cells) < width else cells


def _is_range_or_empty_node(cells: Sequence[str], fmt: ColumnFormat) -> bool:
    """Say whether a line has such an id in a first column that holds neither tokens nor tags."""
    first_is_read = {0, -len(cells)} & {fmt.token_col, fmt.label_col}
    return not first_is_read and bool(_RANGE_OR_EMPTY_NODE.fullmatch(cells[0]))


def _shape(line: str, cells: Sequence[str], fmt: ColumnFormat) -> tuple[int, bool]:
    return len(cells), fmt.separator is None and "\t" in line


def _find_swallowed_tokens(
    block: Block, shape: tuple[int, bool], fmt: ColumnFormat, path: str, findings: list[Finding]
) -> None:
    """Find the lines above a sentence's first token that were skipped as comments and look like tokens."""
    for i, line in enumerate(block.lines[:-1]):
        cells = split_columns(line, fmt.separator)
        is_metadata = cells[2:3] == ["="]  # CoNLL-U's "# key = value"
        if line.startswith("#") and not is_metadata and _shape(line, cells, fmt) == shape:
            text = "a line skipped as a comment that looks like a token's (skip_comment false keeps it)"
            add_finding(findings, path, block.line + i, text)


def _missing_column(
    path: str, number: int, line: str, cells: Sequence[str], fmt: ColumnFormat, labelled: bool
) -> str:
    need = _columns_needed(fmt, labelled)
    asked = f"label_col is {fmt.label_col}" if labelled else f"token_col is {fmt.token_col}"
    if labelled and _columns_needed(fmt, False) > len(cells):
        asked = f"token_col is {fmt.token_col}"
    between = {None: "a tab or spaces", " ": "spaces", "\t": "a tab"}.get(fmt.separator, repr(fmt.separator))
    return (
        f"{path}:{number}: {len(cells)} column(s), but {asked}: {_clip(line)}\n"
        f"expected at least {need} columns with {between} between them"
    )


def _clip(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "...")


def guess_format(path: str | os.PathLike[str], encoding: str = "utf-8") -> ColumnFormat:
    """Guess the columns of a labelled file from its first 2000 lines.

    CoNLL-U has its tokens in column 1 and its tags in 3 (UPOS). Other files whose first column counts
    1, 2, 3 have tokens in 1 and tags in the first column of span tags. All others have tokens in 0 and
    tags in the last column that looks like tags: span tags, or few distinct values.

    Raises: DataError for a file with fewer than two columns, or none at all.
    """
    name = os.fspath(path)
    lines = islice(open_text(path, encoding), _LINES_TO_GUESS_FROM)
    # Any format will do to find the token lines; ids are sorted out below.
    blocks = list(iter_blocks(lines, ColumnFormat(), labelled=False, path=name))
    texts = [[block.lines[row] for row in block.rows] for block in blocks if block.rows]
    if not texts:
        raise DataError(f"{name}: {_NO_SENTENCE}")
    sentences = [[split_columns(line, None) for line in sentence] for sentence in texts]
    separator = "\t" if all("\t" in line for sentence in texts for line in sentence) else None
    counted = [[row for row in rows if not _RANGE_OR_EMPTY_NODE.fullmatch(row[0])] for rows in sentences]
    is_indexed = any(counted) and all(row[0] == str(i) for rows in counted for i, row in enumerate(rows, 1))
    rows = [row for rows in (counted if is_indexed else sentences) for row in rows]
    widths = [len(row) for row in rows]
    width = max(set(widths), key=widths.count)
    if width < 2:
        raise DataError(f"{name}: one column; expected tokens and tags, with a tab or spaces between them")
    columns = list(zip(*(row for row in rows if len(row) == width), strict=True))
    is_indexed = is_indexed and width > 2
    label = 3 if is_indexed and width == 10 else _guess_label_column(columns, is_indexed)
    return ColumnFormat(int(is_indexed), label, separator, encoding=encoding)


def _guess_label_column(columns: Sequence[Sequence[str]], is_indexed: bool) -> int:
    if is_indexed:
        spans = [c for c in range(2, len(columns)) if all(map(_SPAN_TAG.fullmatch, columns[c]))]
        return spans[0] if spans else 2
    distinct_tokens = len(set(columns[0]))
    for c in range(len(columns) - 1, 0, -1):
        distinct = len(set(columns[c]))
        is_few = 1 < distinct <= distinct_tokens // 2  # a constant column says nothing
        if is_few or all(map(_SPAN_TAG.fullmatch, columns[c])):
            return c
    return len(columns) - 1
