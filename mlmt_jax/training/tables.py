"""Plain text tables for the terminal: columns of text and numbers, scores, statistics of replicas."""

from collections.abc import Iterable, Mapping

from mlmt_jax.text.escaping import printable
from mlmt_jax.training.split_scores import SplitScore


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a table as text; columns of numbers are aligned to the right, all others to the left."""
    cells = [[printable(str(cell)) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    numeric = [len(cells) > 1 and all(map(_is_number, column[1:])) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(row, widths, numeric, strict=True)
        )
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)


def _is_number(cell: str) -> bool:
    """Return True for a number, a percentage, or a placeholder for one."""
    return cell in ("", "-", "nan") or cell.replace(".", "", 1).removesuffix("%").isdigit()


def _percent(value: float | None) -> str:
    """Return a fraction in percent with two decimals; "-" for None."""
    return "-" if value is None else f"{100 * value:.2f}"


def score_table(scores: Mapping[str, Mapping[str, SplitScore]]) -> str:
    """Return a table of scores by task model and split, in percent, with the loss in nats per sentence."""
    rows = [
        (
            task,
            split,
            *map(_percent, (score.precision, score.recall, score.f1, score.lenient_f1, score.accuracy)),
            f"{loss:.3f}",
        )
        for task, splits in scores.items()
        for split, (score, loss, _) in splits.items()
    ]
    return table(("task", "split", "P", "R", "F1", "lenient F1", "accuracy", "loss"), rows)


def statistics_table(statistics: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Return a table of the statistics of replicas by task model and split, in percent."""
    keys = ("mean", "standard_deviation", "minimum", "maximum")
    rows = [
        (task, split, values["runs"], *(f"{100 * values[key]:.2f}" for key in keys))
        for task, splits in statistics.items()
        for split, values in splits.items()
    ]
    return table(("task", "split", "runs", "mean", "standard deviation", "minimum", "maximum"), rows)
