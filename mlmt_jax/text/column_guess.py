"""The likely columns of a labelled file."""

import os
import re
from collections.abc import Iterable, Sequence
from itertools import islice, pairwise

from mlmt_jax.metrics.spans import PREFIXES
from mlmt_jax.text.columns import NO_SENTENCE, ColumnFormat, iter_blocks, split_columns
from mlmt_jax.text.conllu_ids import RANGE_OR_NODE
from mlmt_jax.text.findings import Findings
from mlmt_jax.text.lines import open_text

SPAN_TAG = re.compile(rf"O|[{PREFIXES}]-.+")
_NUMBER = re.compile(r"-?\d*\.?\d+(e-?\d+)?", re.IGNORECASE)
_MAX_LINES = 2000


def guess_format(path: str | os.PathLike[str], encoding: str = "utf-8") -> ColumnFormat:
    """Guess the columns of a labelled file from its first 2000 lines.

    CoNLL-U has tokens in column 1 and tags in column 3 (UPOS). If the first column of another file counts
    words (`are_counts`), tokens are in column 1 and tags in the first column of span tags. In other files,
    tokens are in column 0 and tags in the last column of span tags or of few distinct values.

    Raises:
        DataError: the file cannot be read, has no sentence, or has fewer than two columns.
    """
    findings = Findings(path)
    lines = islice(open_text(findings, encoding), _MAX_LINES)
    # Any format finds the token lines; ranges and empty nodes are removed below.
    blocks = list(iter_blocks(lines, ColumnFormat(), findings, labelled=False))
    texts = [[block.lines[row] for row in block.rows] for block in blocks if block.rows]
    if not texts:
        findings.refuse(NO_SENTENCE)
    sentences = [[split_columns(line, None) for line in sentence] for sentence in texts]
    separator = "\t" if all("\t" in line for sentence in texts for line in sentence) else None
    words = [[row for row in rows if not RANGE_OR_NODE.fullmatch(row[0])] for rows in sentences]
    is_indexed = are_counts([row[0] for row in rows] for rows in words)
    rows = [row for rows in (words if is_indexed else sentences) for row in rows]
    widths = [len(row) for row in rows]
    width = max(set(widths), key=widths.count)
    if width < 2:
        findings.refuse("one column; expected tokens and tags, with a tab or spaces between them")
    columns = list(zip(*(row for row in rows if len(row) == width), strict=True))
    is_indexed = is_indexed and width > 2
    label = 3 if is_indexed and width == 10 else _guess_label_column(columns, is_indexed)
    return ColumnFormat(int(is_indexed), label, separator, encoding=encoding)


def are_counts(sentences: Iterable[Sequence[str]]) -> bool:
    """Return True if the cells of a column count the words of each sentence: 1, 2, 3.

    Each cell must follow the one before it, the first must be 1. One cell in ten of all may differ, since
    files lose lines and empty lines. Without cells it is False.
    """
    words = expected = 0
    for cells in sentences:
        words += len(cells)
        expected += sum(cell == _next_id(previous) for previous, cell in pairwise(("0", *cells)))
    return words > 0 and expected >= 0.9 * words


def _next_id(cell: str) -> str:
    """Return the number after a cell's, or "" if the cell is no number of fewer than 10 digits."""
    return str(int(cell) + 1) if cell.isascii() and cell.isdecimal() and len(cell) < 10 else ""


def _guess_label_column(columns: Sequence[Sequence[str]], is_indexed: bool) -> int:
    """Return the index of the column that most likely holds tags.

    Args:
        columns: the cells of each column.
        is_indexed: whether column 0 counts words; then tokens are in column 1, else in column 0.
    """
    if is_indexed:
        return next((c for c in range(2, len(columns)) if all(map(SPAN_TAG.fullmatch, columns[c]))), 2)
    distinct_tokens = len(set(columns[0]))
    for c in range(len(columns) - 1, 0, -1):
        distinct = len(set(columns[c]))
        # A constant column is no tag column, and fractions are probabilities.
        is_few = 1 < distinct <= distinct_tokens // 2 and not _are_fractions(columns[c])
        if is_few or all(map(SPAN_TAG.fullmatch, columns[c])):
            return c
    others = [c for c in range(1, len(columns)) if not _are_fractions(columns[c])]
    return max(others, default=len(columns) - 1)


def are_numbers(cells: Iterable[str]) -> bool:
    """Return True if all cells are whole numbers or fractions."""
    return all(map(_NUMBER.fullmatch, cells))


def _are_fractions(cells: Sequence[str]) -> bool:
    """Return True if all cells are numbers and at least one has a decimal point."""
    return are_numbers(cells) and any("." in cell for cell in cells)
