"""Readers of sentences to tag: column files, plain text, JSON lines."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice, tee
from typing import Any, NamedTuple

from mlmt_jax.tag_files.stdin import call_before_waiting
from mlmt_jax.text.columns import ColumnFormat, iter_blocks, split_columns
from mlmt_jax.text.findings import Findings
from mlmt_jax.text.lines import decode_lines, open_text
from mlmt_jax.text.tokenizer import Token

# A cell with one of these would become several columns or lines.
_BREAKS_COLUMNS = re.compile(r"[\t\n\r]")


class InputSentence(NamedTuple):
    """One sentence to tag, and the lines that it came from. Lines without tokens may surround it."""

    tokens: list[str]  # empty for lines that hold no sentence, such as comments
    lines: list[str]  # without their newlines; a line may end with "\r"
    token_lines: list[int]  # indices into `lines` of those that carry a token
    separator: str | None  # of columns; None: a space if the line has spaces and no tab, else a tab
    record: dict[str, Any] | None  # the fields of JSON output besides the tags; None for a column file


def input_lines(
    path: str, encoding: str, findings: Findings, before_waiting: Callable[[], None]
) -> Iterator[str]:
    """Yield the lines of a file while they arrive, with their endings and without a byte order mark.

    Args:
        path: the file; "-" for standard input, which is read as bytes.
        encoding: the name of the text encoding.
        findings: of the file; its path is the one that is opened, and stands in messages.
        before_waiting: called without arguments each time when standard input has no more data yet; never for
            a file.

    Raises:
        DataError: if the file cannot be opened or the encoding is unknown; or with the line, if it cannot be
            decoded. Lines before that line have been yielded.
    """
    if path == "-":
        lines = decode_lines(call_before_waiting(sys.stdin.buffer, before_waiting), encoding, findings)
    else:
        lines = open_text(findings, encoding)
    for number, line in enumerate(lines):
        yield line.removeprefix("\ufeff") if number == 0 else line


def read_columns(
    lines: Iterable[str], fmt: ColumnFormat, findings: Findings, *, detects_column: bool
) -> Iterator[InputSentence]:
    """Yield the blocks of a column file; together their lines are all lines of the file, in order.

    A block is one sentence up to and with its empty line, or lines without a token, for which `tokens` is
    empty. The record of each is None.

    Args:
        lines: with their line endings.
        fmt: the columns; tags are not read.
        findings: of the file, to which suspicious lines are added.
        detects_column: read the tokens of a file with a single column from that column, instead of
            `fmt.token_col`. The first sentence decides.

    Raises:
        DataError: with file and line, for a missing column.
    """
    lines, copies = tee(lines)
    # The first sentence alone decides: later lines may take long to arrive.
    head: list[str] = []
    rows: list[str] = []
    ignored = ("#", "-DOCSTART-") if fmt.skip_comment else ("-DOCSTART-",)
    for line in lines:
        head.append(line)
        if line.strip() and not line.startswith(ignored):
            rows.append(line)
        elif rows and not line.strip():
            break
    if detects_column and all(len(split_columns(row, fmt.separator)) < 2 for row in rows):
        fmt = replace(fmt, token_col=0)
    for block in iter_blocks(chain(head, lines), fmt, findings, labelled=False):
        # `iter_blocks` strips the line endings; carriage returns are put back.
        endings = ["\r" * line.endswith(("\r", "\r\n")) for line in islice(copies, len(block.lines))]
        block_lines = list(map(str.__add__, block.lines, endings))
        yield InputSentence(block.tokens, block_lines, block.rows, fmt.separator, None)


def read_text(lines: Iterable[str], tokenize: Callable[[str], list[Token]]) -> Iterator[InputSentence]:
    r"""Yield one sentence for each line of plain text, tokenized; an empty line gives one without tokens.

    Args:
        lines: with or without their endings ("\n" or "\r\n"), which are removed.
        tokenize: returns the tokens of a line with their positions.

    Yields:
        Sentences with a record of "text" (the line) and "offsets" ((start, end) of each token in code
        points). Their `lines` are the tokens and an empty line.
    """
    for line in lines:
        text = line.removesuffix("\n").removesuffix("\r")
        tokens = tokenize(text)
        offsets = [(token.start, token.end) for token in tokens]
        yield _one_token_a_line([token.text for token in tokens], {"text": text, "offsets": offsets})


def read_jsonl(lines: Iterable[str], findings: Findings, *, for_columns: bool) -> Iterator[InputSentence]:
    """Yield the sentences of JSON objects, one a line, that have a list of strings "tokens".

    The list may be empty. The record of a sentence is its whole object, all other keys included.

    Args:
        lines: of the file; blank lines are skipped.
        findings: of the file, which has its name for messages.
        for_columns: refuse tokens that a column file cannot hold: those with a tab or a line break.

    Raises:
        DataError: with file and line, for anything but such an object, or for a refused token.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            tokens = record["tokens"]
        except (ValueError, KeyError, TypeError, RecursionError):
            tokens = None
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            findings.refuse(f'got {line[:60]!r}; expected an object with a list of strings "tokens"', number)
            continue
        broken = next(filter(_BREAKS_COLUMNS.search, tokens), None) if for_columns else None
        if broken is not None:
            text = f"the token {broken[:60]!r} has a tab or a line break"
            advice = "expected tokens that a column can hold, or --output jsonl"
            findings.refuse(text, number, advice=advice)
        yield _one_token_a_line(tokens, record)


def _one_token_a_line(tokens: list[str], record: dict[str, Any]) -> InputSentence:
    """Return a sentence with a line for each token and an empty line that ends it; the separator is a tab."""
    return InputSentence(tokens, [*tokens, ""], list(range(len(tokens))), "\t", record)
