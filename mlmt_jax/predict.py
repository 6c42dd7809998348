"""``python -m mlmt_jax.predict RUN [FILE]``: tag a file or standard input; no labels are needed."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from mlmt_jax.cli import run
from mlmt_jax.errors import DataError

if TYPE_CHECKING:
    from mlmt_jax.tagger import Tagger

__all__ = ["main"]

# So many sentences are read, sorted by length and tagged together; memory does not grow with the file.
_CHUNK = 2048


class _Entry(NamedTuple):
    """A stretch of the input, with the tokens to tag in it; any of its lines may carry none."""

    tokens: list[str]
    lines: list[str]  # as they came
    rows: list[int]  # of lines, those that carry the tokens
    separator: str | None  # of columns; None: a space where the line has one and no tab, else a tab
    record: dict[str, Any]  # of JSONL input, the object


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mlmt_jax.predict", description=__doc__)
    parser.add_argument("run", help="the run folder")
    parser.add_argument(
        "file", nargs="?", default="-", help="what to tag; standard input where none is given"
    )
    parser.add_argument("--task", metavar="NAME", help="a task of the run (default: its target)")
    parser.add_argument(
        "--input",
        choices=("conll", "text", "jsonl"),
        default="conll",
        help="conll: a token a line, in the column of the training file or the only one (default); "
        'text: a sentence a line, tokens parted by spaces; jsonl: objects with "tokens"',
    )
    parser.add_argument(
        "--output",
        choices=("conll", "jsonl"),
        help="conll: the lines as they came with the tag as a last column; jsonl: objects with tokens and "
        "tags (default: conll, for jsonl input jsonl)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Writes tagged sentences to standard output, in the order of the input.

    Raises:
        InputError: on a run or an input that cannot be used.
    """
    args = _parser().parse_args(argv)
    from mlmt_jax.tagger import Tagger

    tagger = Tagger.load(args.run, args.task)
    output = args.output or ("jsonl" if args.input == "jsonl" else "conll")
    # JSON can hold half a surrogate pair, which UTF-8 cannot; it leaves as JSON's escape, as it came.
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")  # type: ignore[union-attr]
    path = "<stdin>" if args.file == "-" else args.file
    entries = _READERS[args.input](_lines(args.file, args.input, tagger), path, tagger)
    while chunk := list(islice(entries, _CHUNK)):
        for entry, tags in zip(chunk, tagger.tag(entry.tokens for entry in chunk), strict=True):
            for line in _WRITERS[output](entry, tags, args.input):
                print(line)


def _lines(file: str, kind: str, tagger: "Tagger") -> Iterator[str]:
    from mlmt_jax.data.decoding import decode_lines, open_text

    encoding = "utf-8" if kind == "jsonl" else tagger.column_format.encoding
    lines = decode_lines(sys.stdin.buffer, encoding, "<stdin>") if file == "-" else open_text(file, encoding)
    for number, line in enumerate(lines):
        yield line.removeprefix("\ufeff") if number == 0 else line


def _read_conll(lines: Iterable[str], path: str, tagger: "Tagger") -> Iterator[_Entry]:
    from dataclasses import replace

    from mlmt_jax.data.conll import iter_blocks, split_columns

    form, rest = tagger.column_format, iter(lines)
    head = list(islice(rest, 200))
    rows = (line.rstrip("\r\n") for line in head if line.strip() and not line.startswith("#"))
    if all(len(split_columns(row, form.separator)) < 2 for row in rows):
        form = replace(form, token_col=0)  # a token a line and nothing else
    for block in iter_blocks(chain(head, rest), form, labelled=False, path=path):
        yield _Entry(block.tokens, block.lines, block.rows, form.separator, {})


def _read_text(lines: Iterable[str], path: str, tagger: "Tagger") -> Iterator[_Entry]:
    for line in lines:
        tokens = line.split()
        yield _Entry(tokens, [*tokens, ""], list(range(len(tokens))), "\t", {})


def _read_jsonl(lines: Iterable[str], path: str, tagger: "Tagger") -> Iterator[_Entry]:
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
                f'{path}:{number}: got {line[:60]!r}; expected an object with a list of strings "tokens"'
            )
        yield _Entry(tokens, [*tokens, ""], list(range(len(tokens))), "\t", record)


def _write_conll(entry: _Entry, tags: Sequence[str], source: str) -> Iterator[str]:
    tag_of = dict(zip(entry.rows, tags, strict=True))
    for row, line in enumerate(entry.lines):
        if row not in tag_of:
            yield line
        else:
            spaced = "\t" not in line and " " in line.strip()
            yield f"{line}{entry.separator or (' ' if spaced else chr(9))}{tag_of[row]}"


def _write_jsonl(entry: _Entry, tags: Sequence[str], source: str) -> Iterator[str]:
    if entry.tokens or source != "conll":
        yield json.dumps({**entry.record, "tokens": entry.tokens, "tags": tags}, ensure_ascii=False)


_READERS = {"conll": _read_conll, "text": _read_text, "jsonl": _read_jsonl}
_WRITERS = {"conll": _write_conll, "jsonl": _write_jsonl}


if __name__ == "__main__":
    run(main)
