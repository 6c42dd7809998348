"""Folders sealed with checksums of their files, so that what comes back is known to be what was written."""

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

from mlmt_jax.runs.atomic_files import replace_text, sync
from mlmt_jax.runs.safe_open import open_own, read_own

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

    None where nothing is. Links and special files are wrong as well, which may lead out of the folder.
    """
    try:
        if folder.is_symlink():
            return "is a link"
        found = set()
        for path in folder.rglob("*"):
            name, mode = path.relative_to(folder).as_posix(), path.lstat().st_mode
            if stat.S_ISREG(mode):
                found.add(name)
            elif not stat.S_ISDIR(mode):
                return f"{name} is a link or a special file"
        if _NAME not in found:
            return f"{_NAME} is missing"
        data: Any = json.loads(read_own(folder / _NAME).decode("utf-8"))
        sums = dict(data["sha256"])
        if not sums:
            return f"{_NAME} is damaged"
        if data["run"] != run:
            return "belongs to another run, or run.json is damaged"
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
    with open_own(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
