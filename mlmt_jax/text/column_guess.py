"""The columns that a labelled file seems to have."""

import os
import re
from collections.abc import Iterable, Sequence
from itertools import islice, pairwise

from mlmt_jax.metrics.spans import PREFIXES
from mlmt_jax.text.columns import NO_SENTENCE, ColumnFormat, iter_blocks, split_columns
from mlmt_jax.text.conllu_ids import RANGE_OR_NODE
from mlmt_jax.text.findings import Findings
from mlmt_jax.text.lines import open_text

__all__ = ["SPAN_TAG", "are_counts", "are_numbers", "guess_format"]

SPAN_TAG = re.compile(rf"O|[{PREFIXES}]-.+")
_NUMBER = re.compile(r"-?\d*\.?\d+(e-?\d+)?", re.IGNORECASE)
_LINES_TO_GUESS_FROM = 2000


def guess_format(path: str | os.PathLike[str], encoding: str = "utf-8") -> ColumnFormat:
    """Guess the columns of a labelled file from its first 2000 lines.

    CoNLL-U has its tokens in column 1 and its tags in 3 (UPOS). Other files whose first column counts
    words (`are_counts`) have tokens in 1 and tags in the first column of span tags. All others have tokens
    in 0 and tags in the last column that looks like tags: span tags, or few distinct values.

    Raises: DataError for a file with fewer than two columns, or none at all.
    """
    findings = Findings(path)
    lines = islice(open_text(findings, encoding), _LINES_TO_GUESS_FROM)
    # Any format will do to find the token lines; ids are sorted out below.
    blocks = list(iter_blocks(lines, ColumnFormat(), findings, labelled=False))
    texts = [[block.lines[row] for row in block.rows] for block in blocks if block.rows]
    if not texts:
        findings.refuse(NO_SENTENCE)
    sentences = [[split_columns(line, None) for line in sentence] for sentence in texts]
    separator = "\t" if all("\t" in line for sentence in texts for line in sentence) else None
    counted = [[row for row in rows if not RANGE_OR_NODE.fullmatch(row[0])] for rows in sentences]
    is_indexed = are_counts([row[0] for row in rows] for rows in counted)
    rows = [row for rows in (counted if is_indexed else sentences) for row in rows]
    widths = [len(row) for row in rows]
    width = max(set(widths), key=widths.count)
    if width < 2:
        findings.refuse("one column; expected tokens and tags, with a tab or spaces between them")
    columns = list(zip(*(row for row in rows if len(row) == width), strict=True))
    is_indexed = is_indexed and width > 2
    label = 3 if is_indexed and width == 10 else _guess_label_column(columns, is_indexed)
    return ColumnFormat(int(is_indexed), label, separator, encoding=encoding)


def are_counts(sentences: Iterable[Sequence[str]]) -> bool:
    """Say whether the cells of a column count the words of each sentence: 1, 2, 3.

    One in ten may do otherwise: lines and empty lines get lost.
    """
    words = expected = 0
    for cells in sentences:
        words += len(cells)
        expected += sum(cell == _next_id(before) for before, cell in pairwise(("0", *cells)))
    return words > 0 and expected >= 0.9 * words


def _next_id(cell: str) -> str:
    return str(int(cell) + 1) if cell.isascii() and cell.isdecimal() and len(cell) < 10 else ""


def _guess_label_column(columns: Sequence[Sequence[str]], is_indexed: bool) -> int:
    if is_indexed:
        spans = [c for c in range(2, len(columns)) if all(map(SPAN_TAG.fullmatch, columns[c]))]
        return spans[0] if spans else 2
    distinct_tokens = len(set(columns[0]))
    for c in range(len(columns) - 1, 0, -1):
        distinct = len(set(columns[c]))
        # A constant column says nothing, and fractions are probabilities.
        is_few = 1 < distinct <= distinct_tokens // 2 and not _are_fractions(columns[c])
        if is_few or all(map(SPAN_TAG.fullmatch, columns[c])):
            return c
    others = [c for c in range(1, len(columns)) if not _are_fractions(columns[c])]
    return max(others, default=len(columns) - 1)


def are_numbers(cells: Iterable[str]) -> bool:
    """Say whether all cells are whole numbers or fractions."""
    return all(map(_NUMBER.fullmatch, cells))


def _are_fractions(cells: Sequence[str]) -> bool:
    return are_numbers(cells) and any("." in cell for cell in cells)
