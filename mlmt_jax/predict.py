"""``python -m mlmt_jax.predict RUN [FILE]``: tag a file or standard input; no labels are needed."""

import argparse
import json
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from mlmt_jax.cli.entry import (
    add_column_arguments,
    add_tagger_arguments,
    escaped,
    given_columns,
    load_tagger,
    run,
)
from mlmt_jax.errors import DataError, InputError
from mlmt_jax.tag_files.outputs import FIELDS, Result, columns, comments, fields, results
from mlmt_jax.text.findings import Findings
from mlmt_jax.text.tokenizer import Token, split_at_spaces, tokenise

if TYPE_CHECKING:
    from mlmt_jax.text.columns import ColumnFormat

__all__ = ["main"]

# At most so many sentences are tagged together, sorted by length; memory does not grow with the file.
_CHUNK = 2048

# Sentences by which the columns are judged.
_FIRST = 100

# Sequences that may be asked for: time and memory grow with them.
_MOST_SEQUENCES = 1000

# What a terminal would obey.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!$)")
# What JSON may hold as it is, and a terminal or a reader of lines takes for more than a character.
_UNSAFE_IN_JSON = re.compile(r"[\x7f-\x9f\u2028\u2029]")
# What a column cannot hold, or it would be more columns or lines.
_BREAKS_COLUMNS = re.compile(r"[\t\n\r]")


class _Entry(NamedTuple):
    """A stretch of the input, with the tokens to tag in it; any of its lines may carry none."""

    tokens: list[str]
    lines: list[str]  # as they came
    rows: list[int]  # of lines, those that carry the tokens
    separator: str | None  # of columns; None: a space where the line has one and no tab, else a tab
    record: dict[str, Any]  # what JSONL output holds beside tokens and tags
    endings: list[str]  # of each line: the carriage return before its newline, or nothing


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mlmt_jax.predict", description=__doc__)
    parser.add_argument("run", help="the run folder")
    parser.add_argument(
        "file", nargs="?", default="-", help="what to tag; standard input where none is given"
    )
    add_tagger_arguments(parser)
    add_column_arguments(parser)
    parser.add_argument("--encoding", default="utf-8", help="text encoding of the input; the output is UTF-8")
    parser.add_argument(
        "--input",
        choices=("conll", "text", "jsonl"),
        default="conll",
        help="conll: a token a line, in the column of the training file or the only one (default); "
        'text: a sentence a line, which is tokenised; jsonl: objects with "tokens"',
    )
    parser.add_argument(
        "--pre-tokenized",
        action="store_true",
        help="the tokens of text input are parted by spaces: do not tokenise it",
    )
    parser.add_argument(
        "--output",
        choices=("conll", "jsonl"),
        help="conll: the lines as they came with the tag as a last column; jsonl: objects with tokens and "
        "tags (default: conll, for jsonl input jsonl)",
    )
    parser.add_argument(
        "--probabilities",
        action="store_true",
        help="say how probable tags, spans and sentences are. conll: two more columns, of the tag and of the "
        'span ("_" outside), and a comment "# log_probability = NATS" above each sentence, which is left out '
        'where lines that begin with # are tokens (--no-comments); jsonl: "probabilities", "spans" '
        '(tokens[start:end]), "log_probability"',
    )
    parser.add_argument(
        "--n-best",
        type=_count,
        default=0,
        metavar="K",
        help=f"the K most probable tag sequences, at most {_MOST_SEQUENCES}. conll: columns of the second to "
        "the K-th, log_probability of all of them in the comment; jsonl: "
        '"n_best". Where the tag scheme allows fewer there are fewer ("_" in columns)',
    )
    return parser


def _count(text: str) -> int:
    count = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= count <= _MOST_SEQUENCES:
        raise argparse.ArgumentTypeError(
            f"got {text[:60]!r}; expected a whole number from 1 to {_MOST_SEQUENCES}"
        )
    return count


def main(argv: Sequence[str] | None = None) -> None:
    """Writes tagged sentences to standard output, in the order of the input.

    Standard input is answered as it comes: what is whole is tagged and written before more is waited for.

    Raises:
        InputError: on a run or an input that cannot be used.
    """
    args = _parser().parse_intermixed_args(argv)
    if args.pre_tokenized and args.input != "text":
        raise InputError(f"--pre-tokenized: got --input {args.input}; expected --input text")
    columns_given = {key: value for key, value in given_columns(args).items() if key != "encoding"}
    if columns_given and args.input != "conll":
        flags = "--token-col, --separator, --no-comments"
        raise InputError(f"{flags}: got --input {args.input}; expected --input conll")
    from mlmt_jax.check.input_layout import find_foreign_letters, find_other_layout
    from mlmt_jax.training.run_tables import print_findings

    tagger = load_tagger(args)
    form = replace(tagger.column_format, **columns_given)
    output = args.output or ("jsonl" if args.input == "jsonl" else "conll")
    # JSON can hold half a surrogate pair, which UTF-8 cannot; it leaves as JSON's escape, as it came.
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")  # type: ignore[union-attr]
    shown = partial(_CONTROL.sub, escaped) if sys.stdout.isatty() else str
    whole: list[_Entry] = []

    def answer() -> None:
        if not whole:
            return
        tokens = [entry.tokens for entry in whole]
        found = results(tagger, tokens, probabilities=args.probabilities, n_best=args.n_best)
        for entry, result in zip(whole, found, strict=True):
            if output == "jsonl":
                written = _write_jsonl(entry, result, args.input)
            else:
                above = comments(result) if form.skip_comment else []
                written = _write_conll(entry, above, columns(result, args.n_best))
            for line in written:
                print(shown(line))
        whole.clear()
        sys.stdout.flush()

    findings = Findings("<stdin>" if args.file == "-" else args.file)
    lines = _lines(args.file, args.encoding, findings, answer)
    source = "tokens" if args.pre_tokenized else args.input
    reader = _READERS[source if args.token_col is None else "columns"]
    first: list[_Entry] = []
    try:
        for entry in reader(lines, form, output, findings):
            whole.append(entry)
            if len(first) < _FIRST:
                first.append(entry)
            if len(whole) == _CHUNK:
                answer()
    except DataError:
        answer()  # what stands before the line that cannot be read
        raise
    answer()
    tokens = [entry.tokens for entry in first]
    if source == "conll":
        find_other_layout(findings, tokens, [entry.lines[row] for entry in first for row in entry.rows])
    find_foreign_letters(findings, tokens, tagger.characters)
    print_findings(findings)


def _lines(file: str, encoding: str, findings: Findings, before_waiting: Callable[[], None]) -> Iterator[str]:
    from mlmt_jax.tag_files.stdin import telling_waits
    from mlmt_jax.text.lines import decode_lines, open_text

    if file == "-":
        stream = telling_waits(sys.stdin.buffer, before_waiting)
        lines = decode_lines(stream, encoding, findings)
    else:
        lines = open_text(findings, encoding)
    for number, line in enumerate(lines):
        yield line.removeprefix("\ufeff") if number == 0 else line


def _read_conll(
    lines: Iterable[str],
    form: "ColumnFormat",
    output: str,
    findings: Findings,
    *,
    is_chosen: bool,  # whether the column was
) -> Iterator[_Entry]:
    from mlmt_jax.text.columns import iter_blocks, split_columns

    endings: deque[str] = deque()  # of the lines that no block has brought yet

    def without_endings() -> Iterator[str]:
        for line in lines:
            text = line.removesuffix("\n")
            endings.append("\r" if text.endswith("\r") else "")
            yield line

    rest = without_endings()
    head: list[str] = []  # to the end of the first sentence: no answer to it may wait for more
    rows: list[str] = []
    for line in rest:
        head.append(line)
        if line.strip() and not line.startswith(("#", "-DOCSTART-") if form.skip_comment else "-DOCSTART-"):
            rows.append(line)
        elif rows and not line.strip():
            break
    if not is_chosen and all(len(split_columns(row, form.separator)) < 2 for row in rows):
        form = replace(form, token_col=0)  # a token a line and nothing else
    for block in iter_blocks(chain(head, rest), form, findings, labelled=False):
        own = [endings.popleft() for _ in block.lines]
        yield _Entry(block.tokens, block.lines, block.rows, form.separator, {}, own)


def _read_text(
    lines: Iterable[str],
    form: "ColumnFormat",
    output: str,
    findings: Findings,
    split: Callable[[str], list[Token]],
) -> Iterator[_Entry]:
    for line in lines:
        text = line.removesuffix("\n").removesuffix("\r")
        tokens = split(text)
        offsets = [(token.start, token.end) for token in tokens]
        yield _entry([token.text for token in tokens], {"text": text, "offsets": offsets})


def _read_jsonl(
    lines: Iterable[str], form: "ColumnFormat", output: str, findings: Findings
) -> Iterator[_Entry]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            tokens = record["tokens"]
        except (ValueError, KeyError, TypeError, RecursionError):
            tokens = None
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            raise DataError(
                f'{findings.path}:{number}: got {line[:60]!r}; expected an object with a list of strings "tokens"'
            )
        broken = next(filter(_BREAKS_COLUMNS.search, tokens), None) if output == "conll" else None
        if broken is not None:
            raise DataError(
                f"{findings.path}:{number}: the token {broken[:60]!r} has a tab or a line break;\n"
                "expected tokens that a column can hold, or --output jsonl"
            )
        yield _entry(tokens, record)


def _entry(tokens: list[str], record: dict[str, Any]) -> _Entry:
    """Tokens that were no lines, as lines: one a token and an empty one."""
    return _Entry(tokens, [*tokens, ""], list(range(len(tokens))), "\t", record, [""] * (len(tokens) + 1))


def _write_conll(entry: _Entry, above: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    cells_of = dict(zip(entry.rows, cells, strict=True))
    top = entry.rows[0] if entry.rows else None
    while top and entry.lines[top - 1].strip():  # what stands directly above a sentence belongs to it
        top -= 1
    for row, (line, ending) in enumerate(zip(entry.lines, entry.endings, strict=True)):
        if row == top:
            yield from (comment + ending for comment in above)
        if row not in cells_of:
            yield line + ending
        else:
            spaced = "\t" not in line and " " in line.strip()
            separator = entry.separator or (" " if spaced else "\t")
            yield separator.join((line, *cells_of[row])) + ending


def _write_jsonl(entry: _Entry, result: Result, source: str) -> Iterator[str]:
    if entry.tokens or source != "conll":
        # What an earlier run said of other tags does not stay beside these.
        record = {key: value for key, value in entry.record.items() if key not in FIELDS}
        line = json.dumps({**record, "tokens": entry.tokens, **fields(result)}, ensure_ascii=False)
        yield _UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", line)


_READERS: dict[str, Callable[..., Iterator[_Entry]]] = {
    "conll": partial(_read_conll, is_chosen=False),
    "columns": partial(_read_conll, is_chosen=True),
    "text": partial(_read_text, split=tokenise),
    "tokens": partial(_read_text, split=split_at_spaces),
    "jsonl": _read_jsonl,
}


if __name__ == "__main__":
    run(main)
