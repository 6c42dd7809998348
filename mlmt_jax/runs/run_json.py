"""``run.json``: the format of a run folder, the run's id, and checksums of the files that define the run."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mlmt_jax.errors import RunError
from mlmt_jax.runs.atomic_files import replace_text, write_errors
from mlmt_jax.runs.safe_open import read_regular

FORMAT = 3  #: of a run folder's files and its checkpoints
SEALED = (
    "config.json",
    "vocab.json",
    "samples.json",
    "temperatures.json",
)  #: files with a checksum in ``run.json``


class Identity(NamedTuple):
    """The content of ``run.json``."""

    id: str
    checksums: Mapping[str, list[str]]  # SHA-256 by file name; two while a file is being replaced


def checksum(data: bytes) -> str:
    """Return the SHA-256 of bytes as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def read_identity(folder: Path) -> Identity | None:
    """Read the ``run.json`` of a folder; return None if the folder holds no run.

    Raises:
        RunError: if the file is damaged, missing from a run's folder, or of a format that this version cannot
            read.
    """
    path = folder / "run.json"
    try:
        data: Any = json.loads(read_regular(path).decode("utf-8"))
        version, checksums = data["format"], data.get("sha256")
        is_sound = type(version) is int and isinstance(data["id"], str)
    except FileNotFoundError:
        if any((folder / name).exists() for name in ("config.json", "checkpoints")):
            raise RunError(f"{folder}: run.json is missing; put it back if this is a run's folder") from None
        return None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RunError(f"{path}: not what a run writes there") from None
    if is_sound and version != FORMAT:
        remedy = "install a newer mlmt_jax" if version > FORMAT else "use the mlmt_jax that wrote it"
        raise RunError(
            f"{folder}: the run has format {version}, but this version reads format {FORMAT};\n"
            f"{remedy}, or train anew with another --output"
        )
    if not (
        is_sound
        and isinstance(checksums, dict)
        and all(isinstance(values, list) for values in checksums.values())
    ):
        raise RunError(f"{path}: not what a run writes there")
    return Identity(data["id"], checksums)


def write_identity(folder: Path, identity: Identity) -> None:
    """Write ``run.json``, whole or not at all; raise RunError if the system refuses."""
    data = {"format": FORMAT, "id": identity.id, "sha256": dict(identity.checksums)}
    with write_errors(folder / "run.json"):
        replace_text(folder / "run.json", json.dumps(data, indent=2) + "\n")
