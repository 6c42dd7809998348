"""Folders sealed with checksums of their files, so that what comes back is known to be what was written."""

import hashlib
import json
from pathlib import Path
from typing import Any

from mlmt_jax.training.durable import replace_text, sync

__all__ = ["broken_seal", "seal"]

_NAME = "checksums.json"


def seal(folder: Path, run: str) -> None:
    """Puts a folder's files on the disk, and beside them their SHA-256 and the run that they belong to."""
    sums = {}
    for path in sorted(folder.rglob("*")):
        sync(path)
        if path.is_file():
            sums[path.relative_to(folder).as_posix()] = _sum(path)
    # Writing it puts the entries of the folder itself on the disk as well.
    replace_text(folder / _NAME, json.dumps({"run": run, "sha256": sums}, indent=1) + "\n")


def broken_seal(folder: Path, run: str) -> str | None:
    """What is wrong with a sealed folder: a file that is missing, changed or added, or another run's seal.

    None where nothing is.
    """
    try:
        data: Any = json.loads((folder / _NAME).read_text(encoding="utf-8"))
        sums = dict(data["sha256"])
        if data["run"] != run:
            return "belongs to another run, or run.json is damaged"
        found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        for name in sorted(sums.keys() | found - {_NAME}):
            if name not in found:
                return f"{name} is missing"
            if name not in sums:
                return f"{name} does not belong to it"
            if _sum(folder / name) != sums[name]:
                return f"{name} is damaged: it does not have the checksum that it was written with"
    except FileNotFoundError:
        return f"{_NAME} is missing"
    except OSError as error:
        return f"cannot be read: {error}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"{_NAME} is damaged"
    return None


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
