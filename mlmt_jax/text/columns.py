"""Column files: CoNLL-U, CoNLL-2003 and other files with one token a line; their blocks and sentences."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mlmt_jax.text.conllu_ids import RANGE_OR_NODE, WordIds
from mlmt_jax.text.findings import Findings, shorten
from mlmt_jax.text.lines import open_text

_BOM = "\ufeff"
_DOCSTART = "-DOCSTART-"
NO_SENTENCE = "no sentence in it; expected one token a line and blank lines between sentences"


@dataclass(frozen=True)
class ColumnFormat:
    """The columns of a file's tokens and tags, counted from 0; negative numbers count from the end.

    `separator` None means tabs if the line has one, else runs of spaces; " " means runs of spaces; any other
    string is taken literally. Other white space, such as no-break spaces, never separates columns.

    With `skip_comment`, a line that starts with "#" is a comment if it precedes the first token of its
    sentence, or if its number of columns differs from that token's line.
    """

    token_col: int = 0
    label_col: int = 1
    separator: str | None = None
    skip_comment: bool = True
    encoding: str = "utf-8"  # a byte-order mark at the start of the file is dropped


class Sentence(NamedTuple):
    """A labelled sentence of a file."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...]  # one a token; empty if the file was read without labels
    lines: Sequence[int]  # 1-based line of each token

    @property
    def line(self) -> int:
        """1-based line of the first token."""
        return self.lines[0]


class Block(NamedTuple):
    """The lines of one sentence up to and including the blank line that ends it; it may have no token."""

    lines: list[str]  # as they stand in the file, without their line endings
    rows: list[int]  # indices in `lines` of the token lines
    tokens: list[str]  # one a row
    tags: list[str]  # one a row; empty if the file is read without labels
    line: int  # 1-based line of lines[0]


def read_conll(path: str | os.PathLike[str], fmt: ColumnFormat) -> tuple[list[Sentence], Findings]:
    """Read the sentences of a labelled column file.

    Returns:
        The sentences, at least one, and the warnings about the file.

    Raises:
        DataError: with file and line, for text that does not decode, a missing column, an empty tag, or a
            file without tokens.
    """
    findings = Findings(path)
    blocks = iter_blocks(open_text(findings, fmt.encoding), fmt, findings, labelled=True)
    sentences = [sentence_of(block) for block in blocks if block.rows]
    if not sentences:
        findings.refuse(NO_SENTENCE)
    return sentences, findings


def sentence_of(block: Block) -> Sentence:
    """Return the sentence of a block that has tokens."""
    first, last = block.line + block.rows[0], block.line + block.rows[-1]
    is_dense = last - first + 1 == len(block.rows)
    lines = range(first, last + 1) if is_dense else tuple(block.line + row for row in block.rows)
    return Sentence(tuple(block.tokens), tuple(block.tags), lines)


def iter_blocks(
    lines: Iterable[str], fmt: ColumnFormat, findings: Findings, *, labelled: bool
) -> Iterator[Block]:
    """Yield the blocks of a column file while its lines arrive; together they hold every line of the file.

    Comments, multi-word ranges, empty nodes and `-DOCSTART-` lines stay in `Block.lines` and are no rows.
    A `-DOCSTART-` line is a block of its own, and so is a blank line that ends no sentence.

    Args:
        lines: of the file, with or without their endings.
        fmt: the columns; its encoding is not used.
        findings: of the file; gets warnings about suspicious lines.
        labelled: whether to read tags as well as tokens.

    Raises:
        DataError: with file and line, for a missing column or an empty tag. If `findings` collects errors,
            the line is no row instead.
    """
    need = _columns_needed(fmt, labelled)
    width = 0  # columns of the file's first token line
    shape = (0, False)  # of the sentence's first token line
    file_shape: tuple[int, bool] | None = None  # of the file's first token line
    block, ids = _empty_block(1), WordIds()
    for number, line in enumerate(lines, 1):
        line = line.removesuffix("\n").removesuffix("\r")
        if number == 1:
            line = line.removeprefix(_BOM)
        if not line.strip(" \t"):
            if not block.rows:
                _find_skipped_tokens(block, file_shape, fmt, findings)
            block.lines.append(line)
            yield block
            block, ids = _empty_block(number + 1), WordIds()
            continue
        cells = split_columns(line, fmt.separator, width or need)
        if line.startswith(_DOCSTART) or _DOCSTART in cells:
            if block.lines:
                yield block
            yield Block([line], [], [], [], number)
            block, ids = _empty_block(number + 1), WordIds()
            continue
        block.lines.append(line)
        may_be_comment = fmt.skip_comment and line.startswith("#")
        if may_be_comment and not (block.rows and _shape(line, cells, fmt) == shape):
            continue
        if not is_first_read(cells, fmt):
            if not ids.read(cells[0]):
                continue
            if RANGE_OR_NODE.fullmatch(cells[0]):
                text = "a line with the id of a range or an empty node, where CoNLL-U has none"
                findings.note(text, number, example=cells[0], advice="it is read as a token")
        if len(cells) < need:
            _refuse_columns(number, line, cells, fmt, labelled, findings)
            continue
        width = width or len(cells)
        if len(cells) != width:
            text = f"a token line whose number of columns is not that of the file's first, {width}"
            column = cell_column(line, fmt, width, width) if len(cells) > width else len(line) + 1
            advice = "its token and its tag are read from the configured columns nevertheless"
            findings.note(text, number, column=column, example=repr(shorten(line, 60)), advice=advice)
        if not block.rows:
            shape = _shape(line, cells, fmt)
            file_shape = file_shape or shape
            _find_skipped_tokens(block._replace(lines=block.lines[:-1]), shape, fmt, findings)
        if not cells[fmt.token_col]:
            column = cell_column(line, fmt, fmt.token_col, width)
            advice = "it is read as a word without characters"
            findings.note("an empty token", number, column=column, advice=advice)
        if labelled and not cells[fmt.label_col]:
            column = cell_column(line, fmt, fmt.label_col, width)
            text = f"the tag (label_col {fmt.label_col}) is empty"
            findings.refuse(text, number, column=column, example=repr(shorten(line, 60)))
            continue
        block.rows.append(len(block.lines) - 1)
        block.tokens.append(cells[fmt.token_col])
        if labelled:
            block.tags.append(cells[fmt.label_col])
    if block.lines:
        if not block.rows:
            _find_skipped_tokens(block, file_shape, fmt, findings)
        yield block


def _empty_block(line: int) -> Block:
    """Return a block without lines that starts at a 1-based line."""
    return Block([], [], [], [], line)


def _columns_needed(fmt: ColumnFormat, labelled: bool) -> int:
    """Return the smallest number of columns in which the token and the tag exist and differ."""
    columns = [fmt.token_col, fmt.label_col] if labelled else [fmt.token_col]
    need = max(c + 1 if c >= 0 else -c for c in columns)
    return need + (len({c % need for c in columns}) < len(set(columns)))


def split_columns(line: str, separator: str | None, width: int = 0) -> list[str]:
    """Split a line into its cells, stripped of spaces.

    Args:
        line: not empty, without its ending.
        separator: as in `ColumnFormat`.
        width: expected number of columns. If a line of runs of spaces begins with a space and has fewer, its
            first cell is empty; otherwise spaces at the start are indentation.
    """
    mark = _column_mark(line, separator)
    if mark is not None:
        return [cell.strip(" ") for cell in line.split(mark)]
    cells = [cell for cell in line.split(" ") if cell]
    return ["", *cells] if line[0] == " " and len(cells) < width else cells


def _column_mark(line: str, separator: str | None) -> str | None:
    """Return the string between the columns of a line, or None for runs of spaces."""
    if separator is None:
        return "\t" if "\t" in line else None
    return None if separator == " " else separator


def cell_column(line: str, fmt: ColumnFormat, index: int, width: int = 0) -> int:
    """Return the 1-based character where cell `index` of a line starts; see `split_columns` for `width`."""
    mark = _column_mark(line, fmt.separator)
    if mark is not None:
        cells = line.split(mark)
        start = sum(len(cell) + len(mark) for cell in cells[: index % len(cells)])
        return start + len(cells[index]) - len(cells[index].lstrip(" ")) + 1
    cells = split_columns(line, fmt.separator, width or _columns_needed(fmt, True))
    end = 0
    for cell in cells[: index % len(cells)]:
        end = line.index(cell, end) + len(cell)
    return line.index(cells[index], end) + 1


def is_first_read(cells: Sequence[str], fmt: ColumnFormat) -> bool:
    """Return True if the first cell of a line is its token or its tag."""
    return not {0, -len(cells)}.isdisjoint((fmt.token_col, fmt.label_col))


def _shape(line: str, cells: Sequence[str], fmt: ColumnFormat) -> tuple[int, bool]:
    """Return the number of columns of a line, without empty ones at its end, and if tabs separate them."""
    filled = max((i for i, cell in enumerate(cells, 1) if cell), default=1)
    return filled, fmt.separator is None and "\t" in line


def _find_skipped_tokens(
    block: Block, shape: tuple[int, bool] | None, fmt: ColumnFormat, findings: Findings
) -> None:
    """Note the lines of a block that were skipped as comments but have the shape of a token line.

    Args:
        block: comments alone, without rows.
        shape: of a token line, as `_shape` returns it.
        fmt: the columns.
        findings: of the file.
    """
    for number, line in enumerate(block.lines, block.line):
        if not line.startswith("#"):
            continue
        is_metadata = line.split()[2:3] == ["="]  # "# key = value" of CoNLL-U
        if not is_metadata and _shape(line, split_columns(line, fmt.separator), fmt) == shape:
            text = "a line skipped as a comment that looks like a token's"
            advice = "parser.skip_comment false in a config, --no-comments of a command, keep it"
            findings.note(text, number, example=repr(shorten(line, 60)), advice=advice)


def _refuse_columns(
    number: int, line: str, cells: Sequence[str], fmt: ColumnFormat, labelled: bool, findings: Findings
) -> None:
    """Refuse a line with too few columns for the token or, if the file is labelled, for the tag."""
    need = _columns_needed(fmt, labelled)
    is_token_missing = not labelled or _columns_needed(fmt, False) > len(cells)
    setting = f"token_col is {fmt.token_col}" if is_token_missing else f"label_col is {fmt.label_col}"
    between = {None: "a tab or spaces", " ": "spaces", "\t": "a tab"}.get(fmt.separator, repr(fmt.separator))
    advice = f"expected at least {need} columns with {between} between them; they are counted from 0"
    if not line.replace(_BOM, "").strip():
        char = next(char for char in line if char not in " \t")
        advice = f"it looks empty and is not (U+{ord(char):04X})"
        advice += ": empty lines may contain spaces and tabs only"
    text = f"{len(cells)} column(s), but {setting}"
    findings.refuse(text, number, column=len(line) + 1, example=repr(shorten(line, 60)), advice=advice)
