"""Sealed folders: a list of SHA-256 checksums shows whether the files are those that were written."""

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

from mlmt_jax.runs.atomic_files import replace_text, sync
from mlmt_jax.runs.safe_open import open_regular, read_regular

_SEAL = "checksums.json"


def seal(folder: Path, run_id: str) -> None:
    """Flush a folder's files to the disk; write ``checksums.json`` with their SHA-256 and the run's id.

    All files below the folder are listed, by their path in it. An older ``checksums.json`` would be listed
    too: a folder is sealed once.

    Raises:
        OSError: if a file cannot be read or written.
    """
    checksums = {}
    for path in sorted(folder.rglob("*")):
        sync(path)
        if path.is_file():
            checksums[path.relative_to(folder).as_posix()] = _file_checksum(path)
    # This write also flushes the entries of the folder itself.
    replace_text(folder / _SEAL, json.dumps({"run": run_id, "sha256": checksums}, indent=1) + "\n")


def seal_problem(folder: Path, run_id: str) -> str | None:
    """Return what is wrong with a sealed folder, or None if it is sound.

    Wrong are a file that is missing, changed or added, the seal of another run, a link and a special file:
    links may lead out of the folder.
    """
    try:
        if folder.is_symlink():
            return "is a link"
        files = set()
        for path in folder.rglob("*"):
            name, mode = path.relative_to(folder).as_posix(), path.lstat().st_mode
            if stat.S_ISREG(mode):
                files.add(name)
            elif not stat.S_ISDIR(mode):
                return f"{name} is a link or a special file"
        if _SEAL not in files:
            return f"{_SEAL} is missing"
        data: Any = json.loads(read_regular(folder / _SEAL).decode("utf-8"))
        checksums = dict(data["sha256"])
        if not checksums:
            return f"{_SEAL} is damaged"
        if data["run"] != run_id:
            return "belongs to another run, or run.json is damaged"
        for name in sorted(checksums.keys() | files - {_SEAL}):
            if name not in files:
                return f"{name} is missing"
            if name not in checksums:
                return f"{name} does not belong to it"
            if _file_checksum(folder / name) != checksums[name]:
                return f"{name} is damaged: it does not have the checksum that it was written with"
    except FileNotFoundError:
        return f"{_SEAL} is missing"
    except OSError as error:
        return f"cannot be read: {error}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"{_SEAL} is damaged"
    return None


def _file_checksum(path: Path) -> str:
    """Return the SHA-256 of a file; raise RunError if it is a link or no regular file."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
