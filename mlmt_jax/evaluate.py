"""``python -m mlmt_jax.evaluate RUN FILE``: score a run on any labelled file."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlmt_jax.cli.arguments import add_column_arguments, add_tagger_arguments, chosen_columns, load_tagger
from mlmt_jax.cli.entry import run

if TYPE_CHECKING:
    from mlmt_jax.metrics.calibration import Calibration
    from mlmt_jax.training.split_scores import SplitScore


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
        help="print how well probabilities (of predicted spans, or of tokens if tags are no spans) match "
        "accuracy: the expected calibration error, of ten bins of equal width weighted by their counts",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Print the scores of a run on a labelled file.

    Raises:
        InputError: if the run or the file cannot be used.
    """
    args = _parser().parse_args(argv)
    from mlmt_jax.check.input_layout import Rows, find_foreign_letters, find_other_layout
    from mlmt_jax.check.unknown_tags import find_unknown_tags
    from mlmt_jax.corpus.dataset import label
    from mlmt_jax.text.columns import read_conll
    from mlmt_jax.training.printing import score_table
    from mlmt_jax.training.run_tables import print_findings

    tagger = load_tagger(args)
    sentences, findings = read_conll(args.file, replace(tagger.column_format, **chosen_columns(args)))
    labelled = label(sentences, tagger.scheme, args.file, findings)
    rows = [Rows((), sentence.tokens) for sentence in labelled]
    oddities = (
        find_other_layout(args.file, rows),
        find_foreign_letters(args.file, rows, tagger.characters),
        find_unknown_tags(args.file, labelled, tagger.model.context.tags, tagger.task),
    )
    score = tagger.evaluate(labelled)
    print_findings([*findings, *filter(None, oddities)])
    print(score_table({tagger.task: {Path(args.file).name: score}}))
    print(f"\n{_type_table(score)}")
    if score.by_words is not None:
        print(f"\n{_word_table(score)}")
    if args.calibration:
        unit = "tokens" if tagger.scheme == "none" else "spans"
        print(f"\n{_calibration_table(tagger.calibration(labelled), unit)}")


def _type_table(score: "SplitScore") -> str:
    """Return a table of the scores of each span type or tag."""
    from mlmt_jax.training.printing import table

    rows = [
        (name, *map(_percent, (counts.precision, counts.recall, counts.f1)), counts.gold, counts.predicted)
        for name, counts in score.score.types.items()
    ]
    return table(("type", "P", "R", "F1", "gold", "predicted"), rows)


def _word_table(score: "SplitScore") -> str:
    """Return a table of the scores on words that are in the training data, and on the others."""
    from mlmt_jax.training.printing import table

    assert score.by_words is not None
    rows = []
    for words, counts in score.by_words._asdict().items():
        # The recall of tokens is their accuracy.
        figure = counts.recall if score.score.f1 is None else counts.f1
        is_counted = counts.gold or counts.predicted
        rows.append((words, _percent(figure) if is_counted else "-", counts.gold, counts.predicted))
    return table(("words", "accuracy" if score.score.f1 is None else "F1", "gold", "predicted"), rows)


def _calibration_table(calibration: "Calibration", unit: str) -> str:
    """Return the calibration error, and a table of the bins that are not empty."""
    from mlmt_jax.training.printing import table

    bins = [
        (f"{low:.1f}-{high:.1f}", _percent(confidence), _percent(accuracy), count)
        for low, high, confidence, accuracy, count in calibration.bins
        if count
    ]
    error = _percent(calibration.error) if bins else f"- (no {unit})"
    header = ("probability", "confidence", "accuracy", "count")
    return f"expected calibration error of {unit}: {error}\n{table(header, bins)}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


if __name__ == "__main__":
    run(main)
