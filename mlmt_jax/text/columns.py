"""Column files: CoNLL-U, CoNLL-2003, token-tag files; streaming blocks, sentences."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mlmt_jax.text.conllu_ids import RANGE_OR_NODE, WordIds
from mlmt_jax.text.findings import Findings
from mlmt_jax.text.lines import open_text

__all__ = [
    "NO_SENTENCE",
    "Block",
    "ColumnFormat",
    "Sentence",
    "cell_column",
    "is_first_read",
    "iter_blocks",
    "read_conll",
    "sentence_of",
    "split_columns",
]

_BOM = "\ufeff"
_DOCSTART = "-DOCSTART-"
_AS_IT_STANDS = "its token and its tag are read from the columns of the config all the same"
NO_SENTENCE = "no sentence in it; expected one token a line and blank lines between sentences"


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
    """One sentence; `tags` is empty where its block was read without labels."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    lines: Sequence[int]  # 1-based line of each token

    @property
    def line(self) -> int:
        """1-based line of the first token."""
        return self.lines[0]


class Block(NamedTuple):
    """The lines of one sentence, up to and with the blank line that ends it; perhaps without a token."""

    lines: list[str]  # as they stand in the file, without their line endings
    rows: list[int]  # indices into `lines` of those that carry a token
    tokens: list[str]  # one a row
    tags: list[str]  # one a row, or empty where the file is read without labels
    line: int  # 1-based line of lines[0]


def read_conll(path: str | os.PathLike[str], fmt: ColumnFormat) -> tuple[list[Sentence], Findings]:
    """Read the sentences of a column file, and what in it is suspicious.

    Raises: DataError with file and line for undecodable text, missing columns, empty tags, no tokens.
    """
    findings = Findings(path)
    blocks = iter_blocks(open_text(findings, fmt.encoding), fmt, findings, labelled=True)
    sentences = [sentence_of(block) for block in blocks if block.rows]
    if not sentences:
        findings.refuse(NO_SENTENCE)
    return sentences, findings


def sentence_of(block: Block) -> Sentence:
    """Return the sentence of a block that has one."""
    first, last = block.line + block.rows[0], block.line + block.rows[-1]
    is_dense = last - first + 1 == len(block.rows)
    lines = range(first, last + 1) if is_dense else tuple(block.line + row for row in block.rows)
    return Sentence(tuple(block.tokens), tuple(block.tags), lines)


def iter_blocks(
    lines: Iterable[str], fmt: ColumnFormat, findings: Findings, *, labelled: bool
) -> Iterator[Block]:
    """Yield a column file's blocks as its lines come; the lines of all blocks are the lines of the file.

    Comments, multi-word ranges, empty nodes and `-DOCSTART-` lines stay in `lines` and are no rows.
    A `-DOCSTART-` line is a block of its own, and so is a blank line that ends no sentence.

    Arguments: `lines` with or without their endings; `findings` of the file, to be added to.
    Raises: DataError with file and line for a missing column or an empty tag; if `findings` collects errors
        these are added to it, and the line is no row.
    """
    need = _columns_needed(fmt, labelled)
    width = 0  # columns of the file's first token line
    shape = (0, False)  # of the sentence's first token line
    first_shape: tuple[int, bool] | None = None  # of the file's
    block, ids = _empty_block(1), WordIds()

    def ended(block: Block) -> Block:
        if not block.rows:
            _find_swallowed_tokens(block.lines, block.line, first_shape, fmt, findings)
        return block

    for number, line in enumerate(lines, 1):
        line = line.removesuffix("\n").removesuffix("\r")
        if number == 1:
            line = line.removeprefix(_BOM)
        if not line.strip(" \t"):
            block.lines.append(line)
            yield ended(block)
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
        may_be_token = bool(block.rows) and _shape(line, cells, fmt) == shape
        if fmt.skip_comment and line.startswith("#") and not may_be_token:
            continue
        if not is_first_read(cells, fmt):
            if not (found := RANGE_OR_NODE.fullmatch(cells[0])):
                ids.word(cells[0])
            elif ids.range_or_node(found):
                continue
            else:
                text = "a line with an id as of a range or an empty node, where CoNLL-U has none"
                findings.note(text, number, example=cells[0], advice="it is taken for a token")
        if len(cells) < need:
            _refuse_columns(number, line, cells, fmt, labelled, findings)
            continue
        width = width or len(cells)
        if len(cells) != width:
            text = f"a token line whose number of columns is not that of the file's first, {width}"
            column = cell_column(line, fmt, width, width) if len(cells) > width else len(line) + 1
            example = _clip(line)
            findings.note(text, number, column=column, example=example, advice=_AS_IT_STANDS)
        if not block.rows:
            shape = _shape(line, cells, fmt)
            first_shape = first_shape or shape
            _find_swallowed_tokens(block.lines[:-1], block.line, shape, fmt, findings)
        if not cells[fmt.token_col]:
            column = cell_column(line, fmt, fmt.token_col, width)
            advice = "it is taken for a word without characters"
            findings.note("an empty token", number, column=column, advice=advice)
        if labelled and not cells[fmt.label_col]:
            column = cell_column(line, fmt, fmt.label_col, width)
            text = f"the tag (label_col {fmt.label_col}) is empty"
            findings.refuse(text, number, column=column, example=_clip(line))
            continue
        block.rows.append(len(block.lines) - 1)
        block.tokens.append(cells[fmt.token_col])
        if labelled:
            block.tags.append(cells[fmt.label_col])
    if block.lines:
        yield ended(block)


def _empty_block(line: int) -> Block:
    return Block([], [], [], [], line)


def _columns_needed(fmt: ColumnFormat, labelled: bool) -> int:
    """Return the smallest number of columns in which the token and the tag exist and are not the same."""
    columns = [fmt.token_col, fmt.label_col] if labelled else [fmt.token_col]
    need = max(c + 1 if c >= 0 else -c for c in columns)
    return need + (len({c % need for c in columns}) < len(set(columns)))


def split_columns(line: str, separator: str | None, width: int = 0) -> list[str]:
    """Split a line into its cells, stripped of spaces; `width` is the number of columns to expect."""
    mark = _mark(line, separator)
    if mark is not None:
        return [cell.strip(" ") for cell in line.split(mark)]
    cells = [cell for cell in line.split(" ") if cell]
    # Leading spaces are indentation, unless the line is short of a column without them: an empty token.
    return ["", *cells] if line[0] == " " and len(cells) < width else cells


def _mark(line: str, separator: str | None) -> str | None:
    """Return what stands between the columns of a line; None for runs of spaces."""
    if separator is None:
        return "\t" if "\t" in line else None
    return None if separator == " " else separator


def cell_column(line: str, fmt: ColumnFormat, index: int, width: int = 0) -> int:
    """Return the 1-based character at which a cell of a token line starts; `width` as in `split_columns`."""
    mark = _mark(line, fmt.separator)
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
    """Say whether the first column of a line holds its token or its tag."""
    return not {0, -len(cells)}.isdisjoint((fmt.token_col, fmt.label_col))


def _shape(line: str, cells: Sequence[str], fmt: ColumnFormat) -> tuple[int, bool]:
    filled = len(cells)
    while filled > 1 and not cells[filled - 1]:
        filled -= 1  # a mark behind the last column is no column
    return filled, fmt.separator is None and "\t" in line


def _find_swallowed_tokens(
    lines: Sequence[str],
    number: int,
    shape: tuple[int, bool] | None,
    fmt: ColumnFormat,
    findings: Findings,
) -> None:
    """Find the lines above a sentence's first token that were skipped as comments and look like tokens."""
    for i, line in enumerate(lines):
        if not line.startswith("#"):
            continue
        cells = split_columns(line, fmt.separator)
        is_metadata = line.split()[2:3] == ["="]  # CoNLL-U's "# key = value"
        if not is_metadata and _shape(line, cells, fmt) == shape:
            text = "a line skipped as a comment that looks like a token's"
            advice = "parser.skip_comment false in a config, --no-comments of a command, keep it"
            findings.note(text, number + i, example=_clip(line), advice=advice)


def _refuse_columns(
    number: int, line: str, cells: Sequence[str], fmt: ColumnFormat, labelled: bool, findings: Findings
) -> None:
    need = _columns_needed(fmt, labelled)
    asked = f"label_col is {fmt.label_col}" if labelled else f"token_col is {fmt.token_col}"
    if labelled and _columns_needed(fmt, False) > len(cells):
        asked = f"token_col is {fmt.token_col}"
    between = {None: "a tab or spaces", " ": "spaces", "\t": "a tab"}.get(fmt.separator, repr(fmt.separator))
    text = f"{len(cells)} column(s), but {asked}"
    advice = f"expected at least {need} columns with {between} between them; they are counted from 0"
    if not line.replace(_BOM, "").strip():
        found = next(char for char in line if char not in " \t")
        advice = f"it looks empty and is not (U+{ord(found):04X}): empty lines hold spaces and tabs alone"
    findings.refuse(text, number, column=len(line) + 1, example=_clip(line), advice=advice)


def _clip(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "...")
