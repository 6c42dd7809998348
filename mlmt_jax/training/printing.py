"""What a run says while it goes: progress on standard error, tables on standard output."""

import sys
import time
from collections.abc import Iterable, Mapping

from tqdm import tqdm

from mlmt_jax.training.split_scores import SplitScore

__all__ = ["Reporter", "score_table", "table"]


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Plain text columns: the first ones to the left, numbers to the right."""
    cells = [[_printable(str(cell)) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    numeric = [len(cells) > 1 and all(map(_is_number, column[1:])) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            c.rjust(w) if right else c.ljust(w) for c, w, right in zip(row, widths, numeric, strict=True)
        )
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)


def _printable(cell: str) -> str:
    """Names and tags come from files: what a terminal would obey is written as Python writes it."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in cell)


def _is_number(cell: str) -> bool:
    return cell in ("", "-", "nan") or cell.replace(".", "", 1).removesuffix("%").isdigit()


def score_table(scores: Mapping[str, Mapping[str, SplitScore]]) -> str:
    """Task, split, strict P, R, F1, conlleval's lenient F1, accuracy (percent), loss (nats a sentence)."""

    def percent(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.2f}"

    rows = [
        (
            task,
            split,
            *map(
                percent, (s.score.precision, s.score.recall, s.score.f1, s.score.lenient_f1, s.score.accuracy)
            ),
            f"{s.loss:.3f}",
        )
        for task, splits in scores.items()
        for split, s in splits.items()
    ]
    return table(("task", "split", "P", "R", "F1", "lenient F1", "accuracy", "loss"), rows)


class Reporter:
    """A bar where standard error is a terminal, else a line every ``interval`` seconds."""

    def __init__(self, total: int, first: int, interval: float = 10.0):
        self._bar = (
            tqdm(total=total, initial=first, unit="step", leave=False) if sys.stderr.isatty() else None
        )
        self._total, self._interval = total, interval
        self._told_step = first
        self._told = time.perf_counter()

    def step(self, step: int, latest: tuple[str, float] | None) -> None:
        """Tells of a step, and from time to time of the ``latest`` task and loss that are known."""
        if self._bar is not None:
            self._bar.update(1)
            if latest is not None and step % 20 == 0:
                self._bar.set_postfix_str(f"{latest[0]}: loss {latest[1]:.3f}")
        elif latest is not None and (now := time.perf_counter()) - self._told >= self._interval:
            rate = (step - self._told_step) / (now - self._told)
            print(
                f"step {step}/{self._total}  {latest[0]}: loss {latest[1]:.3f}  {rate:.1f} steps/s",
                file=sys.stderr,
                flush=True,
            )
            self._told, self._told_step = now, step

    def tell(self, text: str) -> None:
        """Prints to standard output without tearing the bar."""
        if self._bar is not None:
            self._bar.clear()
        print(text, flush=True)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()
