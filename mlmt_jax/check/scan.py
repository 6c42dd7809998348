"""The sentences of one data file, and the findings about its lines."""

import os
import unicodedata
from collections.abc import Sequence
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
    lines = open_text(findings, form.encoding)
    blocks = [block for block in iter_blocks(lines, form, findings, labelled=True) if block.rows]
    rows = [
        _Row(block.line + row, block.lines[row], token, tag)
        for block in blocks
        for row, token, tag in zip(block.rows, block.tokens, block.tags, strict=True)
    ]
    if form.separator is None:
        _find_mixed_separators(rows, findings)
    # In a file that is read in a wrong encoding, odd characters are a consequence.
    if not _find_misread_utf8(rows, form, findings):
        _find_odd_characters(rows, form, findings)
    _find_miscounted_ids(blocks, form, findings)
    if not blocks and not any(finding.is_error for finding in findings):
        findings.refuse(NO_SENTENCE)
    return Scan(findings.path, [sentence_of(block) for block in blocks], findings)


def _find_mixed_separators(rows: Sequence[_Row], findings: Findings) -> None:
    """Note that some lines have tabs between their columns and others spaces."""
    tabs = [row for row in rows if "\t" in row.line]
    spaces = [row for row in rows if "\t" not in row.line]
    if not tabs or not spaces:
        return
    few, many, mark = ("tabs", "spaces", "\t") if len(tabs) <= len(spaces) else ("spaces", "tabs", " ")
    rare, usual = sorted((tabs, spaces), key=len)
    text = f"{few} between the columns, where {len(usual)} lines of the file have {many}"
    advice = "each line is split by what it has; a token with spaces in it needs tabs (parser.separator)"
    column = rare[0].line.find(mark) + 1
    findings.note(text, rare[0].number, column=column, advice=advice, count=len(rare))


def _find_misread_utf8(rows: Sequence[_Row], form: ColumnFormat, findings: Findings) -> bool:
    """Note that a file is UTF-8 though its format has another encoding; return True if it is."""
    rows = [row for row in rows if not row.token.isascii()]
    texts = reread_as_utf8([row.token for row in rows], form.encoding)
    if texts:
        text = f"a token that is UTF-8 and is read as {form.encoding}"
        advice = 'the wrong letters are taken as they stand; set parser.encoding to "utf-8"'
        column, example = (
            _difference_column(rows[0], texts[0], form),
            f"{rows[0].token!r}, perhaps {texts[0]!r}",
        )
        findings.note(text, rows[0].number, column=column, example=example, advice=advice, count=len(texts))
    return bool(texts)


def _find_miscounted_ids(blocks: Sequence[Block], form: ColumnFormat, findings: Findings) -> None:
    """Note sentences whose ids, in an unread first column, do not count 1, 2, 3 while most others do."""
    indexed = 0
    miscounted: list[tuple[int, str, int]] = []  # line, id and expected id of each such sentence
    for block in blocks:
        cells = [split_columns(block.lines[row], form.separator) for row in block.rows]
        if is_first_read(cells[0], form):
            continue
        indexed += 1
        expected = next((i for i, row in enumerate(cells, 1) if row[0] != str(i)), None)
        if expected is not None:
            miscounted.append((block.line + block.rows[expected - 1], cells[expected - 1][0], expected))
    if miscounted and 2 * len(miscounted) < indexed:
        line, word_id, expected = miscounted[0]
        text = "a sentence whose words' ids do not count 1, 2, 3"
        example = f"{word_id!r} where {expected} was expected"
        advice = "it is read as it stands; is a line or an empty line missing, or is one too many?"
        findings.note(text, line, column=1, example=example, advice=advice, count=len(miscounted))


def _find_odd_characters(rows: Sequence[_Row], form: ColumnFormat, findings: Findings) -> None:
    """Note odd characters in tokens and tags, and letters of tokens that stand for other letters."""
    for row in rows:
        line = row.line.replace("\t", " ") if form.separator in (None, "\t") else row.line
        if line.isascii() and line.isprintable():
            continue
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
        text = "a token that is not in Unicode's normal form NFC (such as an accent of its own)"
        advice = "training takes it for another word than the same in NFC; bring all files to one form"
        column = _difference_column(row, composed, form)
        findings.note(text, row.number, column=column, example=ascii(row.token), advice=advice)
    if mended != row.token:
        text = "letters that look like UTF-8 read as latin-1 or cp1252"
        advice = "the wrong letters are taken as they stand; mend the file"
        column, example = _difference_column(row, mended, form), f"{row.token!r}, perhaps {mended!r}"
        findings.note(text, row.number, column=column, example=example, advice=advice)


def _difference_column(row: _Row, text: str, form: ColumnFormat) -> int:
    """Return the 1-based character of a line where its token first differs from another text."""
    different = (i for i, (a, b) in enumerate(zip(row.token, text, strict=False)) if a != b)
    offset = next(different, min(len(row.token), len(text)))
    return cell_column(row.line, form, form.token_col) + offset
