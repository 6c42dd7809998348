"""``mlmt predict RUN [FILE]``: tag a file or standard input; no labels are needed."""

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from mlmt_jax.cli.arguments import (
    add_column_arguments,
    add_tagger_arguments,
    chosen_columns,
    load_tagger,
    make_parser,
)
from mlmt_jax.cli.entry import run
from mlmt_jax.errors import DataError, InputError
from mlmt_jax.tag_files.inputs import InputSentence, input_lines, read_columns, read_jsonl, read_text
from mlmt_jax.tag_files.outputs import column_lines, json_lines, tag_sentences
from mlmt_jax.text.escaping import escaped
from mlmt_jax.text.findings import Findings
from mlmt_jax.text.tokenizer import split_at_spaces, tokenise

# Sentences that are tagged together at most, so that memory does not grow with the file.
_CHUNK = 2048
# Sentences by which the layout of the input is judged.
_JUDGED = 100
# Time and memory grow with the number of sequences.
_MAX_SEQUENCES = 1000
# Control characters that a terminal would obey; a line may end with a carriage return.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!$)")


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command line: RUN, FILE (default "-") and the options of `predict`."""
    parser = make_parser("predict", "Tag a file or standard input; no labels are needed.", "runs/my test.txt")
    add_tagger_arguments(parser)
    parser.add_argument("file", nargs="?", default="-", help="the file to tag (default: standard input)")
    add_column_arguments(parser)
    parser.add_argument(
        "--encoding",
        dest="input_encoding",
        metavar="ENCODING",
        default="utf-8",
        help="text encoding of the input; the output is UTF-8",
    )
    parser.add_argument(
        "--input",
        choices=("conll", "text", "jsonl"),
        default="conll",
        help="conll: one token a line, in the column of the training file or in the only column (default); "
        'text: one sentence a line, to be tokenized; jsonl: objects with "tokens"',
    )
    parser.add_argument(
        "--pre-tokenized",
        action="store_true",
        help="the tokens of text input are separated by spaces: do not tokenize it",
    )
    parser.add_argument(
        "--output",
        choices=("conll", "jsonl"),
        help="conll: the input lines with the tag as a last column; jsonl: objects with tokens and "
        "tags (default: conll, for jsonl input jsonl)",
    )
    parser.add_argument(
        "--probabilities",
        action="store_true",
        help="write the probabilities of tags, spans and sentences. conll: two more columns, of the tag and "
        'of the span ("_" outside), and a comment "# log_probability = NATS" above each sentence, which is '
        'left out if lines that begin with # are tokens (--no-comments); jsonl: "probabilities", "spans" '
        '(tokens[start:end]), "log_probability"',
    )
    parser.add_argument(
        "--n-best",
        type=_sequence_count,
        default=0,
        metavar="K",
        help=f"write the K most probable tag sequences, at most {_MAX_SEQUENCES}. conll: columns of the "
        "second to the K-th, and the log_probability of all of them in the comment; jsonl: "
        '"n_best". If the tag scheme allows fewer, fewer are written ("_" in columns)',
    )
    return parser


def _sequence_count(text: str) -> int:
    """Return the argument of --n-best as a number from 1 to 1000, written in ASCII digits.

    Raises:
        argparse.ArgumentTypeError: for any other text.
    """
    count = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= count <= _MAX_SEQUENCES:
        message = f"got {text[:60]!r}; expected a whole number from 1 to {_MAX_SEQUENCES}"
        raise argparse.ArgumentTypeError(message)
    return count


def main(argv: Sequence[str] | None = None) -> None:
    """Write tagged sentences to standard output, in the order of the input, in UTF-8.

    Complete sentences of standard input are tagged and written before more input is waited for. Warnings
    about the input go to standard error at the end. Standard output is reconfigured.

    Args:
        argv: command-line arguments without the program's name; None for those of the process.

    Raises:
        InputError: if options do not fit each other, or the run or the input cannot be used. Sentences before
            an unreadable line are written.
        SystemExit: if the arguments are wrong (status 2), or help was asked for (0).
    """
    args = _parser().parse_intermixed_args(argv)
    if args.pre_tokenized and args.input != "text":
        raise InputError(f"--pre-tokenized: got --input {args.input}; expected --input text")
    columns = chosen_columns(args)
    if columns and args.input != "conll":
        flags = "--token-col, --separator, --no-comments"
        raise InputError(f"{flags}: got --input {args.input}; expected --input conll")
    from mlmt_jax.check.input_layout import find_foreign_letters, find_other_layout
    from mlmt_jax.training.run_tables import print_findings

    tagger = load_tagger(args)
    fmt = replace(tagger.column_format, **columns)
    writes_json = (args.output or args.input) == "jsonl"
    # JSON can hold half a surrogate pair, which UTF-8 cannot; it is written as JSON's escape.
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")  # type: ignore[union-attr]
    escape = partial(_CONTROL.sub, escaped) if sys.stdout.isatty() else str
    tagged_columns = partial(column_lines, n_best=args.n_best, with_comment=fmt.skip_comment)
    result_lines = json_lines if writes_json else tagged_columns
    pending: list[InputSentence] = []

    def write_pending() -> None:
        if not pending:
            return
        tokens = [sentence.tokens for sentence in pending]
        results = tag_sentences(tagger, tokens, probabilities=args.probabilities, n_best=args.n_best)
        for sentence, result in zip(pending, results, strict=True):
            for line in result_lines(sentence, result):
                print(escape(line))
        pending.clear()
        sys.stdout.flush()

    findings = Findings("<stdin>" if args.file == "-" else args.file)
    lines = input_lines(args.file, args.input_encoding, findings, write_pending)
    if args.input == "jsonl":
        sentences = read_jsonl(lines, findings, for_columns=not writes_json)
    elif args.input == "text":
        sentences = read_text(lines, split_at_spaces if args.pre_tokenized else tokenise)
    else:
        sentences = read_columns(lines, fmt, findings, detects_column=args.token_col is None)
    judged: list[InputSentence] = []
    try:
        for sentence in sentences:
            pending.append(sentence)
            if len(judged) < _JUDGED:
                judged.append(sentence)
            if len(pending) == _CHUNK:
                write_pending()
    except DataError:
        write_pending()
        raise
    write_pending()
    tokens = [sentence.tokens for sentence in judged]
    if args.input == "conll":
        rows = [sentence.lines[i].removesuffix("\r") for sentence in judged for i in sentence.token_lines]
        find_other_layout(findings, tokens, rows)
    find_foreign_letters(findings, tokens, tagger.characters)
    print_findings(findings)


if __name__ == "__main__":
    run(main)
