"""``metrics.jsonl``: one JSON object a line for each evaluation of a run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mlmt_jax.runs.atomic_files import append_line, replace_text, write_errors
from mlmt_jax.runs.safe_open import read_regular


class MetricsLine(NamedTuple):
    """One line of the file."""

    step: int
    text: str  # without its line ending
    record: dict[str, Any]


def append_metrics(path: Path, record: Mapping[str, Any]) -> None:
    """Append the record of an evaluation as one line; raise RunError if the file cannot be written."""
    with write_errors(path):
        append_line(path, json.dumps(record, ensure_ascii=False))


def read_metrics(path: Path) -> tuple[list[MetricsLine], bool]:
    """Return the lines of a metrics file, and whether a line before the last one was damaged and left out.

    A crash may cut off the last line, which is no damage. A missing file has no lines.

    Raises:
        RunError: if the file is a link or no regular file.
    """
    try:
        texts = read_regular(path).decode("utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return [], False
    lines, is_damaged = [], False
    for i, text in enumerate(texts, 1):
        try:
            record = json.loads(text)
            lines.append(MetricsLine(int(record["step"]), text, record))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            is_damaged |= i < len(texts)
    return lines, is_damaged


def drop_metrics_after(path: Path, step: int) -> bool:
    """Delete the lines of evaluations after ``step``, which a resumed run writes again, and damaged lines.

    Returns:
        Whether there were damaged lines.

    Raises:
        RunError: if the file is a link or no regular file, or cannot be written.
    """
    if not path.exists():
        return False
    lines, is_damaged = read_metrics(path)
    with write_errors(path):
        replace_text(path, "".join(f"{line.text}\n" for line in lines if line.step <= step))
    return is_damaged
