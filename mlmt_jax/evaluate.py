"""``python -m mlmt_jax.evaluate RUN FILE``: score a run on any labelled file."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mlmt_jax.cli import add_tagger_arguments, load_tagger, run

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mlmt_jax.evaluate", description=__doc__)
    parser.add_argument("run", help="the run folder")
    parser.add_argument("file", help="labelled sentences, in the format of the task's training file")
    add_tagger_arguments(parser)
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
    from mlmt_jax.data.conll import read_conll
    from mlmt_jax.data.dataset import label
    from mlmt_jax.training.journal import score_table, table
    from mlmt_jax.training.report import print_findings

    tagger = load_tagger(args)
    sentences, findings = read_conll(args.file, tagger.column_format)
    examples = label(sentences, tagger.scheme, args.file, findings)
    score = tagger.evaluate(examples)
    print_findings(findings)
    print(score_table({tagger.task: {Path(args.file).name: score}}))
    rows = [
        (name, *(f"{100 * x:.2f}" for x in (c.precision, c.recall, c.f1)), c.gold, c.predicted)
        for name, c in score.score.types.items()
    ]
    print()
    print(table(("type", "P", "R", "F1", "gold", "predicted"), rows))
    if score.by_words is not None:
        # Of tokens, recall is accuracy.
        figure = "accuracy" if score.score.f1 is None else "F1"
        rows = [
            (words, f"{100 * (c.recall if score.score.f1 is None else c.f1):.2f}", c.gold, c.predicted)
            for words, c in score.by_words._asdict().items()
        ]
        print()
        print(table(("words", figure, "gold", "predicted"), rows))
    if args.calibration:
        found = tagger.calibration(examples)
        what = "tokens" if tagger.scheme == "none" else "spans"
        print(f"\nexpected calibration error of {what}: {100 * found.error:.2f}")
        bins = [
            (f"{low:.1f}-{high:.1f}", f"{100 * confidence:.2f}", f"{100 * accuracy:.2f}", count)
            for low, high, confidence, accuracy, count in found.bins
            if count
        ]
        print(table(("probability", "confidence", "accuracy", "count"), bins))


if __name__ == "__main__":
    run(main)
