"""``run.json``: a run folder's format, what tells the run from others, checksums of what decides it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mlmt_jax.runs.atomic_files import replace_text, writing
from mlmt_jax.errors import RunError
from mlmt_jax.runs.safe_open import read_own

__all__ = ["FORMAT", "SEALED", "Identity", "checksum", "read_identity", "write_identity"]

FORMAT = 3  # of a run folder's files and its checkpoints
SEALED = ("config.json", "vocab.json", "samples.json")


class Identity(NamedTuple):
    """What ``run.json`` says."""

    id: str
    # Of each file the SHA-256 that it may have: two while one takes the other's place.
    sums: Mapping[str, list[str]]


def checksum(data: bytes) -> str:
    """SHA-256, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def read_identity(folder: Path) -> Identity | None:
    """What a run folder's ``run.json`` says; None where the folder holds no run.

    Raises:
        RunError: where it is damaged, or of a format that this version cannot read.
    """
    path = folder / "run.json"
    try:
        data: Any = json.loads(read_own(path).decode("utf-8"))
        found, sums = data["format"], data.get("sha256")
        sound = type(found) is int and isinstance(data["id"], str)
    except FileNotFoundError:
        if any((folder / name).exists() for name in ("config.json", "checkpoints")):
            raise RunError(f"{folder}: run.json is missing; put it back if this is a run's folder") from None
        return None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RunError(f"{path}: not what a run writes there") from None
    if sound and found != FORMAT:
        remedy = "install a newer mlmt_jax" if found > FORMAT else "use the mlmt_jax that wrote it"
        raise RunError(
            f"{folder}: the run has format {found}, but this version reads format {FORMAT};\n"
            f"{remedy}, or train anew with another --output"
        )
    if not sound or not _are_sums(sums):
        raise RunError(f"{path}: not what a run writes there")
    return Identity(data["id"], sums)


def _are_sums(sums: Any) -> bool:
    return isinstance(sums, dict) and all(isinstance(those, list) for those in sums.values())


def write_identity(folder: Path, identity: Identity) -> None:
    """Writes ``run.json``, whole or not at all.

    Raises:
        RunError: where it cannot be written.
    """
    data = {"format": FORMAT, "id": identity.id, "sha256": dict(identity.sums)}
    with writing(folder / "run.json"):
        replace_text(folder / "run.json", json.dumps(data, indent=2) + "\n")
