"""``metrics.jsonl``: one line for each evaluation."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlmt_jax.training.durable import add_line, replace_text, writing
from mlmt_jax.training.own_files import read_own

__all__ = ["append_metrics", "keep_metrics_until", "read_metrics"]


def append_metrics(path: Path, record: Mapping[str, Any]) -> None:
    """Adds one line.

    Raises:
        RunError: where it cannot be written.
    """
    with writing(path):
        add_line(path, json.dumps(record, ensure_ascii=False))


def read_metrics(path: Path) -> list[tuple[int, str, dict[str, Any]]]:
    """Of each line its step, its text and what it says, but for what is no line of a run.

    Raises:
        RunError: where the file is not the run's own.
    """
    found = []
    try:
        text = read_own(path).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return found
    # The last one may have been cut off by the end of the process that wrote it.
    for line in text.split("\n")[:-1]:
        try:
            record = json.loads(line)
            found.append((int(record["step"]), line, record))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            continue
    return found


def keep_metrics_until(path: Path, step: int) -> None:
    """Drops the lines behind ``step``: a resumed run writes them again.

    Raises:
        RunError: where the file is not the run's own, or cannot be written.
    """
    if path.exists():
        kept = "".join(f"{line}\n" for own, line, _ in read_metrics(path) if own <= step)
        with writing(path):
            replace_text(path, kept)
