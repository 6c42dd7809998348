"""``python -m mlmt_jax.evaluate RUN FILE``: score a run on any labelled file."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlmt_jax.cli.entry import add_column_arguments, add_tagger_arguments, given_columns, load_tagger, run
from mlmt_jax.errors import DataError

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mlmt_jax.evaluate", description=__doc__)
    parser.add_argument("run", help="the run folder")
    parser.add_argument("file", help="labelled sentences, in the format of the task's training file")
    add_tagger_arguments(parser)
    add_column_arguments(parser)
    parser.add_argument(
        "--label-col", type=int, metavar="N", help="column of the tags, from 0 (default: the training file's)"
    )
    parser.add_argument("--encoding", help="text encoding of the file (default: that of the training file)")
    parser.add_argument(
        "--calibration",
        action="store_true",
        help="also say whether probabilities (of predicted spans, or of tokens where tags are not spans) can "
        "be believed: the expected calibration error, of ten bins of equal width weighted by their counts",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the scores of a run on a labelled file.

    Raises:
        InputError: on a run or a file that cannot be used.
    """
    args = _parser().parse_args(argv)
    from mlmt_jax.check.input_layout import Rows, find_foreign_letters, find_other_layout
    from mlmt_jax.corpus.dataset import label
    from mlmt_jax.text.columns import read_conll
    from mlmt_jax.text.findings import add_finding, shown
    from mlmt_jax.text.tag_schemes import split_tag
    from mlmt_jax.training.run_tables import print_findings
    from mlmt_jax.training.tables import score_table, table

    tagger = load_tagger(args)
    sentences, findings = read_conll(args.file, replace(tagger.column_format, **given_columns(args)))
    examples = label(sentences, tagger.scheme, args.file, findings)
    rows = [Rows((), own.tokens) for own in sentences]
    layout = find_other_layout(args.file, rows)
    findings += filter(None, (layout, find_foreign_letters(args.file, rows, tagger.characters)))
    known = set(tagger.tag_names)
    types = {split_tag(tag)[1] for tag in known}
    places: dict[str, int] = {}  # the first line of each tag that is not known, of a span by its type
    for example in examples:
        for tag, line in zip(example.tags, example.lines, strict=True):
            if tag not in known:
                kind = split_tag(tag)[1]
                places.setdefault(tag if tagger.scheme == "none" or kind in types else kind, line)
    if places:
        count = sum(not known.issuperset(example.tags) for example in examples)
        what = "tags" if tagger.scheme == "none" else "spans of types"
        text = f"{count} of {len(examples)} sentences have {what} that {tagger.task!r} does not know"
        text += f": {shown(sorted(places))}"
        first = min(places.values())
        if known.isdisjoint(tag for example in examples for tag in example.tags if tag != "O"):
            raise DataError(
                f"{args.file}:{first}: {text};\n"
                "expected some that it knows; --token-col, --label-col and --separator choose the columns"
            )
        add_finding(findings, args.file, first, text, advice="they count as wrong, and have no loss")
    score = tagger.evaluate(examples)
    print_findings(findings)
    print(score_table({tagger.task: {Path(args.file).name: score}}))
    rows = [
        (name, *map(_percent, (c.precision, c.recall, c.f1)), c.gold, c.predicted)
        for name, c in score.score.types.items()
    ]
    print()
    print(table(("type", "P", "R", "F1", "gold", "predicted"), rows))
    if score.by_words is not None:
        # Of tokens, recall is accuracy.
        figure = "accuracy" if score.score.f1 is None else "F1"
        rows = [
            (
                words,
                _percent(c.recall if score.score.f1 is None else c.f1) if c.gold or c.predicted else "-",
                c.gold,
                c.predicted,
            )
            for words, c in score.by_words._asdict().items()
        ]
        print()
        print(table(("words", figure, "gold", "predicted"), rows))
    if args.calibration:
        found = tagger.calibration(examples)
        what = "tokens" if tagger.scheme == "none" else "spans"
        error = _percent(found.error) if any(own.count for own in found.bins) else f"- (no {what})"
        print(f"\nexpected calibration error of {what}: {error}")
        bins = [
            (f"{low:.1f}-{high:.1f}", _percent(confidence), _percent(accuracy), count)
            for low, high, confidence, accuracy, count in found.bins
            if count
        ]
        print(table(("probability", "confidence", "accuracy", "count"), bins))


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


if __name__ == "__main__":
    run(main)
