"""``mlmt evaluate RUN FILE``: score a run on any labelled file."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlmt_jax.cli.arguments import (
    add_column_arguments,
    add_tagger_arguments,
    chosen_columns,
    load_tagger,
    make_parser,
)
from mlmt_jax.cli.entry import run


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command line: RUN, FILE, options for tagger, columns and calibration."""
    parser = make_parser("evaluate", "Score a run on any labelled file.", "runs/my test.txt")
    add_tagger_arguments(parser)
    parser.add_argument("file", help="labelled sentences, in the format of the task's training file")
    add_column_arguments(parser)
    parser.add_argument(
        "--label-col", type=int, metavar="N", help="column of the tags, from 0 (default: the training file's)"
    )
    parser.add_argument("--encoding", help="text encoding of the file (default: that of the training file)")
    parser.add_argument(
        "--calibration",
        action="store_true",
        help="print how well probabilities (of predicted spans, or of tokens if tags are no spans) match "
        "accuracy: the expected calibration error, of ten bins of equal width weighted by their counts",
    )
    parser.add_argument(
        "--json", metavar="FILE", help="write every number to a JSON file; an existing file is replaced"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Print the scores of a run on a labelled file, and warnings about the file to standard error.

    Args:
        argv: command-line arguments without the program's name; None for those of the process.

    Raises:
        InputError: if the run or the file cannot be used, or JAX finds no device.
        SystemExit: if the arguments are wrong (status 2), or help was asked for (0).
    """
    args = _parser().parse_args(argv)
    from mlmt_jax.check.input_layout import find_foreign_letters, find_other_layout, find_unknown_tags
    from mlmt_jax.corpus.dataset import bioes_sentences
    from mlmt_jax.results.evaluation_record import evaluation_record, write_record
    from mlmt_jax.tag_files.score_tables import calibration_table, type_table, word_table
    from mlmt_jax.text.columns import read_conll
    from mlmt_jax.training.run_tables import print_findings
    from mlmt_jax.training.tables import score_table

    tagger = load_tagger(args)
    sentences, findings = read_conll(args.file, replace(tagger.column_format, **chosen_columns(args)))
    labelled = bioes_sentences(sentences, tagger.scheme, findings)
    tokens = [sentence.tokens for sentence in labelled]
    find_other_layout(findings, tokens)
    find_foreign_letters(findings, tokens, tagger.characters)
    find_unknown_tags(findings, labelled, tagger.model.context.tags, tagger.task)
    score = tagger.evaluate(labelled)
    print_findings(findings)
    print(score_table({tagger.task: {Path(args.file).name: score}}))
    print(f"\n{type_table(score)}")
    if score.by_words is not None:
        print(f"\n{word_table(score)}")
    if args.calibration:
        unit = "tokens" if tagger.scheme == "none" else "spans"
        print(f"\n{calibration_table(tagger.calibration(labelled), unit)}")
    if args.json is not None:
        write_record(Path(args.json), evaluation_record(tagger, labelled, score))


if __name__ == "__main__":
    run(main)
