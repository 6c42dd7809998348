"""The sentences of one data file, and the findings about its lines."""

import os
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mlmt_jax.check.misreading import mend, reread_as_utf8
from mlmt_jax.check.odd_characters import describe_odd, find_odd
from mlmt_jax.text.columns import (
    NO_SENTENCE,
    Block,
    ColumnFormat,
    Sentence,
    cell_column,
    is_first_read,
    iter_blocks,
    sentence_of,
    split_columns,
)
from mlmt_jax.text.findings import Findings
from mlmt_jax.text.lines import open_text


class Scan(NamedTuple):
    """The content of a labelled file."""

    path: str
    sentences: list[Sentence]  # as training reads them, without the lines that it refuses
    findings: Findings  # of the reader, and about separators, characters and ids


class _Row(NamedTuple):
    """A token line."""

    number: int  # 1-based
    line: str
    token: str
    tag: str


def scan_file(path: str | os.PathLike[str], form: ColumnFormat) -> Scan:
    """Read a labelled file to its end; errors are among the findings and are not raised."""
    findings = Findings(path, collect_errors=True)
    sentences: list[Sentence] = []
    rows: list[_Row] = []
    separators: dict[str, list[tuple[int, int]]] = {"\t": [], " ": []}
    ids: list[tuple[int, str] | None] = []
    # Blocks are not kept: the garbage collector takes a third of the time for those of a large file.
    for block in iter_blocks(open_text(findings, form.encoding), form, findings, labelled=True):
        if block.rows:
            sentences.append(sentence_of(block))
            rows += _unusual_rows(block, form)
            ids += _miscounted_id(block, form)
            for line, text in ((block.line + row, block.lines[row]) for row in block.rows):
                mark = "\t" if "\t" in text else " "
                separators[mark].append((line, text.find(mark) + 1))
    if form.separator is None:
        _find_mixed_separators(separators, findings)
    # In a file that is read in a wrong encoding, odd characters are a consequence.
    if not _find_misread_utf8(rows, form, findings):
        _find_odd_characters(rows, form, findings)
    _find_miscounted_ids(ids, findings)
    if not sentences and not any(finding.is_error for finding in findings):
        findings.refuse(NO_SENTENCE)
    return Scan(findings.path, sentences, findings)


def _unusual_rows(block: Block, form: ColumnFormat) -> Iterator[_Row]:
    """Yield the token lines of a block with characters other than printable ASCII and separators."""
    has_tabs = form.separator in (None, "\t")
    for row, token, tag in zip(block.rows, block.tokens, block.tags, strict=True):
        line = block.lines[row].replace("\t", " ") if has_tabs else block.lines[row]
        if not (line.isascii() and line.isprintable()):
            yield _Row(block.line + row, block.lines[row], token, tag)


def _find_mixed_separators(separators: dict[str, list[tuple[int, int]]], findings: Findings) -> None:
    """Note that some lines have tabs between their columns and others spaces.

    Args:
        separators: by "\\t" and " ", the line and column of the first one in each token line.
        findings: of the file.
    """
    names = {"\t": "tabs", " ": "spaces"}
    rare, usual = sorted(separators, key=lambda mark: len(separators[mark]))
    if separators[rare]:
        lines = f"{len(separators[usual])} lines of the file have {names[usual]}"
        text = f"{names[rare]} between the columns, where {lines}"
        advice = "each line is split by its own separator; a token with spaces needs tabs (parser.separator)"
        line, column = separators[rare][0]
        findings.note(text, line, column=column, advice=advice, count=len(separators[rare]))


def _find_misread_utf8(rows: Sequence[_Row], form: ColumnFormat, findings: Findings) -> bool:
    """Note that a file is UTF-8 though its format has another encoding; return True if it is."""
    rows = [row for row in rows if not row.token.isascii()]
    texts = reread_as_utf8([row.token for row in rows], form.encoding)
    if texts:
        first, utf8 = rows[0], texts[0]
        text = f"a token that is UTF-8 and is read as {form.encoding}"
        advice = 'the wrong letters are read as they are; set parser.encoding to "utf-8"'
        column, example = _difference_column(first, utf8, form), f"{first.token!r}, perhaps {utf8!r}"
        findings.note(text, first.number, column=column, example=example, advice=advice, count=len(texts))
    return bool(texts)


def _miscounted_id(block: Block, form: ColumnFormat) -> list[tuple[int, str] | None]:
    """Return the first id of a sentence that does not count 1, 2, 3.

    Returns:
        One item, its line and a description, or None if all ids are right; empty if the first column is
        read, which then holds no ids.
    """
    cells = [split_columns(block.lines[row], form.separator) for row in block.rows]
    if is_first_read(cells[0], form):
        return []
    for expected, (row, (word_id, *_)) in enumerate(zip(block.rows, cells, strict=True), 1):
        if word_id != str(expected):
            return [(block.line + row, f"{word_id!r} where {expected} was expected")]
    return [None]


def _find_miscounted_ids(ids: Sequence[tuple[int, str] | None], findings: Findings) -> None:
    """Note that the ids of some sentences do not count 1, 2, 3, if those of most sentences do."""
    miscounted = [place for place in ids if place is not None]
    if miscounted and 2 * len(miscounted) < len(ids):
        line, example = miscounted[0]
        text = "a sentence whose words' ids do not count 1, 2, 3"
        advice = "it is read as it is; is a line or an empty line missing, or is there one too many?"
        findings.note(text, line, column=1, example=example, advice=advice, count=len(miscounted))


def _find_odd_characters(rows: Sequence[_Row], form: ColumnFormat, findings: Findings) -> None:
    """Note odd characters in tokens and tags, and letters of tokens that stand for other letters."""
    for row in rows:
        for kind, cell, index in (("token", row.token, form.token_col), ("tag", row.tag, form.label_col)):
            place = find_odd(cell)
            if place is not None:
                column = cell_column(row.line, form, index) + place
                text, advice = describe_odd(cell[place], kind)
                findings.note(text, row.number, column=column, example=ascii(cell), advice=advice)
        if not row.token.isascii():
            _find_other_letters(row, form, findings)


def _find_other_letters(row: _Row, form: ColumnFormat, findings: Findings) -> None:
    """Note that a token is not in the normal form NFC, or looks like misread UTF-8."""
    composed, mended = unicodedata.normalize("NFC", row.token), mend(row.token)
    if composed != row.token:
        text = "a token that is not in Unicode's normal form NFC (such as a separate accent)"
        advice = "training reads it and its NFC form as different words; bring all files to one form"
        column = _difference_column(row, composed, form)
        findings.note(text, row.number, column=column, example=ascii(row.token), advice=advice)
    if mended != row.token:
        text = "letters that look like UTF-8 read as latin-1 or cp1252"
        advice = "the wrong letters are read as they are; mend the file"
        column, example = _difference_column(row, mended, form), f"{row.token!r}, perhaps {mended!r}"
        findings.note(text, row.number, column=column, example=example, advice=advice)


def _difference_column(row: _Row, text: str, form: ColumnFormat) -> int:
    """Return the 1-based character of a line where its token first differs from another text."""
    different = (i for i, (a, b) in enumerate(zip(row.token, text, strict=False)) if a != b)
    offset = next(different, min(len(row.token), len(text)))
    return cell_column(row.line, form, form.token_col) + offset
