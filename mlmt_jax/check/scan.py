"""One data file, line by line: its sentences, and what is wrong or odd about its lines."""

import os
import unicodedata
from typing import NamedTuple

from mlmt_jax.check.misreading import Misreading, mend
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
from mlmt_jax.text.findings import Finding, Findings
from mlmt_jax.text.lines import open_text

__all__ = ["Scan", "scan_file"]


class Scan(NamedTuple):
    """What a file holds."""

    path: str
    sentences: list[Sentence]  # as training reads them, without the lines that it refuses
    findings: Findings  # the reader's, and of odd characters and separators


class _Place(NamedTuple):
    line: int
    column: int
    example: str = ""


class _Separators:
    """Whether some lines of a file have tabs between their columns and others spaces."""

    def __init__(self):
        self.counts = {"tabs": 0, "spaces": 0}
        self.first: dict[str, _Place] = {}

    def read(self, number: int, line: str) -> None:
        kind, mark = ("tabs", "\t") if "\t" in line else ("spaces", " ")
        self.counts[kind] += 1
        if kind not in self.first:
            self.first[kind] = _Place(number, line.find(mark) + 1)

    def findings(self, path: str) -> list[Finding]:
        few, many = sorted(self.counts, key=lambda kind: self.counts[kind])
        count = self.counts[few]
        if not count:
            return []
        text = f"{few} between the columns, where {self.counts[many]} lines of the file have {many}"
        advice = "each line is split by what it has; a token with spaces in it needs tabs (parser.separator)"
        return [Finding(path, self.first[few].line, text, count, self.first[few].column, advice=advice)]


class _Misread:
    """Whether a file is UTF-8 though the config says that it is not."""

    def __init__(self, form: ColumnFormat):
        self.form = form
        self.misreading = Misreading(form.encoding)
        self.first: _Place | None = None

    def read(self, block: Block, i: int) -> None:
        token = block.tokens[i]
        text = None if token.isascii() else self.misreading.read(token)
        if text is not None and self.first is None:
            start = cell_column(block.lines[block.rows[i]], self.form, self.form.token_col)
            place = block.line + block.rows[i], start + _first_difference(token, text)
            self.first = _Place(*place, f"{token!r}, perhaps {text!r}")

    def findings(self, path: str) -> list[Finding]:
        if not self.misreading.is_likely or self.first is None:
            return []
        text = f"a token that is UTF-8 and is read as {self.form.encoding}"
        advice = 'the wrong letters are taken as they stand; set parser.encoding to "utf-8"'
        line, column, example = self.first
        return [Finding(path, line, text, self.misreading.count, column, example, advice)]


class _Ids:
    """Whether the ids of words, in a first column that is not read, count 1, 2, 3 in each sentence."""

    def __init__(self, form: ColumnFormat):
        self.form = form
        self.counting = self.others = 0  # sentences
        self.first: _Place | None = None

    def read(self, block: Block) -> None:
        rows = [split_columns(block.lines[row], self.form.separator) for row in block.rows]
        if is_first_read(rows[0], self.form):
            return
        ids = [cells[0] for cells in rows]
        wrong = next((i for i, id_ in enumerate(ids) if id_ != str(i + 1)), None)
        if wrong is None:
            self.counting += 1
            return
        self.others += 1
        if self.first is None:
            place = block.line + block.rows[wrong], 1
            self.first = _Place(*place, f"{ids[wrong]!r} where {wrong + 1} was expected")

    def findings(self, path: str) -> list[Finding]:
        if self.first is None or self.counting <= self.others:
            return []
        text = "a sentence whose words' ids do not count 1, 2, 3"
        advice = "it is read as it stands; is a line or an empty line missing, or is one too many?"
        line, column, example = self.first
        return [Finding(path, line, text, self.others, column, example, advice)]


def _first_difference(one: str, other: str) -> int:
    differ = (k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differ, min(len(one), len(other)))


def scan_file(path: str | os.PathLike[str], form: ColumnFormat) -> Scan:
    """Reads a labelled file to its end, whatever is wrong with it."""
    findings, odd = Findings(path, collect_errors=True), Findings(path)
    sentences = []
    separators, misread, ids = _Separators(), _Misread(form), _Ids(form)
    tabs_are_parted = form.separator in (None, "\t")
    for block in iter_blocks(open_text(findings, form.encoding), form, findings, labelled=True):
        if not block.rows:
            continue
        sentences.append(sentence_of(block))
        ids.read(block)
        for i, row in enumerate(block.rows):
            line = block.lines[row]
            if form.separator is None:
                separators.read(block.line + row, line)
            shown = line.replace("\t", " ") if tabs_are_parted else line
            if not (shown.isascii() and shown.isprintable()):
                _find_odd_characters(block, i, form, odd)
                misread.read(block, i)
    # Where all is read in a wrong encoding, odd characters are what comes of it.
    path = findings.path
    for finding in (*separators.findings(path), *(misread.findings(path) or odd), *ids.findings(path)):
        findings.add(finding)
    if not sentences and not any(finding.is_error for finding in findings):
        findings.refuse(NO_SENTENCE)
    return Scan(path, sentences, findings)


def _find_odd_characters(block: Block, i: int, form: ColumnFormat, findings: Findings) -> None:
    """Look at the token and the tag of a block's row ``i``."""
    number, line = block.line + block.rows[i], block.lines[block.rows[i]]
    cells = (("token", block.tokens[i], form.token_col), ("tag", block.tags[i], form.label_col))
    for cell, text, index in cells:
        place = find_odd(text)
        if place is not None:
            column = cell_column(line, form, index) + place
            what, advice = describe_odd(text[place], cell)
            findings.note(what, number, column=column, example=ascii(text), advice=advice)
    if not block.tokens[i].isascii():
        _find_other_letters(block.tokens[i], number, cell_column(line, form, form.token_col), findings)


def _find_other_letters(token: str, number: int, column: int, findings: Findings) -> None:
    """Look at a token that starts at a column of a line for letters that stand for others."""
    composed = unicodedata.normalize("NFC", token)
    if composed != token:
        at = column + _first_difference(token, composed)
        what = "a token that is not in Unicode's normal form NFC (such as an accent of its own)"
        advice = "training takes it for another word than the same in NFC; bring all files to one form"
        findings.note(what, number, column=at, example=ascii(token), advice=advice)
    mended = mend(token)
    if mended is not None:
        at = column + _first_difference(token, mended)
        what = "letters that look like UTF-8 read as latin-1 or cp1252"
        example = f"{token!r}, perhaps {mended!r}"
        advice = "the wrong letters are taken as they stand; mend the file"
        findings.note(what, number, column=at, example=example, advice=advice)
