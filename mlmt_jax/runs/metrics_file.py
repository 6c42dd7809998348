"""``metrics.jsonl``: one line for each evaluation."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlmt_jax.runs.atomic_files import add_line, replace_text, writing
from mlmt_jax.runs.safe_open import read_own

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
    return _parse(_read(path))[0]


def keep_metrics_until(path: Path, step: int) -> Path | None:
    """Drops the lines behind ``step``, which a resumed run writes again, and what is no line of a run.

    Returns:
        Where the file is kept as it was, if there was anything of the latter.

    Raises:
        RunError: where the file is not the run's own, or cannot be written.
    """
    if not path.exists():
        return None
    found, is_damaged = _parse(_read(path))
    aside = path.with_name(f"{path.name}.damaged") if is_damaged else None
    with writing(path):
        if aside is not None:
            aside.unlink(missing_ok=True)  # a link there would lead the copy out of the folder
            shutil.copyfile(path, aside)
        replace_text(path, "".join(f"{line}\n" for own, line, _ in found if own <= step))
    return aside


def _read(path: Path) -> str:
    try:
        return read_own(path).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _parse(text: str) -> tuple[list[tuple[int, str, dict[str, Any]]], bool]:
    found, is_damaged = [], False
    lines = text.split("\n")
    for i, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            found.append((int(record["step"]), line, record))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            # The end of the process that wrote the last one may have cut it off; else that is empty.
            is_damaged |= i < len(lines)
    return found, is_damaged
