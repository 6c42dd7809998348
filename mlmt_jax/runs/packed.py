"""Packed runs: one zip file with what tagging needs, read without trust in its content."""

import contextlib
import json
import lzma
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath

from mlmt_jax.errors import RunError
from mlmt_jax.runs.atomic_files import sync, write_errors
from mlmt_jax.runs.checkpoints import newest_best_step
from mlmt_jax.runs.folder import EVALUATION, TEMPERATURES, RunFolder
from mlmt_jax.runs.run_json import SEALED, Identity, checksum, write_identity
from mlmt_jax.runs.seal import seal, seal_problem

_CARD = "README.md"
#: Files that are packed if the run has them; config.json is packed without paths.
_FILES = ("vocab.json", TEMPERATURES, "summary.json", EVALUATION, "diverged.json")
# Arrays and JSON shrink to a tenth at the least; a file that shrinks more is made to fill the disk.
_LARGEST_RATIO, _SMALL, _MOST_ENTRIES = 50, 1 << 24, 10_000
_DAMAGED = (zipfile.BadZipFile, EOFError, RuntimeError, zlib.error, lzma.LZMAError, ValueError, LookupError)


def pack_run(folder: RunFolder, card: str, path: Path) -> None:
    """Write a packed run atomically; an existing file is replaced.

    Args:
        folder: folder of a run alone or of a replica.
        card: the model card, Markdown.
        path: the file; its folder must exist.

    Raises:
        RunError: if the run has no sound checkpoint, or a file cannot be read or written.
    """
    step = newest_best_step(folder.checkpoints)
    if step is None:
        raise RunError(
            f"{folder.checkpoints / 'best'}: no checkpoint; expected one of a run that was evaluated"
        )
    best = folder.checkpoints / "best" / str(step)
    if problem := seal_problem(best, folder.id):
        raise RunError(f"{best}: not a checkpoint that can be used: {problem}")
    temporary = path.with_name(f".{path.name}.part")
    with tempfile.TemporaryDirectory() as name, write_errors(path):
        copy = RunFolder(name)
        shutil.copytree(best, copy.checkpoints / "best" / str(step))
        _seal_without_paths(copy.checkpoints / "best" / str(step), folder.id)
        texts = {"config.json": _config_without_paths(folder)}
        for file in _FILES:
            if (folder.path / file).exists():
                texts[file] = json.dumps(folder.read(file), ensure_ascii=False)
        for file, text in texts.items():
            (copy.path / file).write_bytes(text.encode())
        sealed = {file: [checksum(text.encode())] for file, text in texts.items() if file in SEALED}
        write_identity(copy.path, Identity(folder.id, sealed))
        (copy.path / _CARD).write_bytes(card.encode())
        seal(copy.path, folder.id)
        try:
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in sorted(copy.path.rglob("*")):
                    if file.is_file():
                        entry = zipfile.ZipInfo(file.relative_to(copy.path).as_posix())
                        entry.compress_type = zipfile.ZIP_DEFLATED
                        archive.writestr(entry, file.read_bytes())
            sync(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _seal_without_paths(checkpoint: Path, run_id: str) -> None:
    """Seal a copied checkpoint anew, without the file in which orbax notes where it was written."""
    for name in ("checksums.json", "params/commit_success.txt"):
        (checkpoint / name).unlink(missing_ok=True)
    seal(checkpoint, run_id)


def _config_without_paths(folder: RunFolder) -> str:
    """Return the text of the run's config with file names in place of paths, and without the run folder."""
    data = folder.config().resolved()
    for key in ("data_root", "$schema"):
        data.pop(key, None)
    data["training"] = {**data["training"], "output": None, "replicas": 1}
    for dataset in data["datasets"]:
        dataset["files"] = {split: PurePath(file).name for split, file in dataset["files"].items()}
    for component in data["components"]:
        if component.get("file"):
            component["file"] = PurePath(component["file"]).name
    return json.dumps(data, ensure_ascii=False, indent=2)


@contextlib.contextmanager
def unpacked(path: Path) -> Iterator[RunFolder]:
    """Provide the folder of a packed run during the block; it is deleted afterwards.

    Raises:
        RunError: if the file cannot be read, is no packed run, or would write outside of its folder, twice to
            one place, a link, or far more than its own size.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(name)
        try:
            with zipfile.ZipFile(path) as archive:
                _check_entries(path, archive.infolist())
                for entry in archive.infolist():
                    file = folder.path / entry.filename
                    file.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(entry) as source, file.open("xb") as target:
                        shutil.copyfileobj(source, target)
        except OSError as error:
            raise RunError(f"{path}: cannot be unpacked: {error.strerror or error}") from None
        except _DAMAGED as error:
            reason = next(iter(str(error).splitlines()), "it ends too early")
            raise RunError(f"{path}: not a packed run that can be read: {reason}") from None
        if not (folder.path / "run.json").exists():
            raise RunError(f"{path}: not a packed run; expected a file that mlmt_jax.pack wrote")
        if problem := seal_problem(folder.path, folder.id):
            raise RunError(f"{path}: not a packed run that can be used: {problem}")
        yield folder


def _check_entries(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Raise RunError unless the entries of an archive are plain files of one folder, of usual sizes."""
    names = set[str]()
    for entry in entries:
        name, parts = entry.filename, PurePosixPath(entry.filename).parts
        mode = entry.external_attr >> 16
        problem = None
        if not parts or parts[0] == "/" or ".." in parts or "\\" in name or ":" in name or "\0" in name:
            problem = "leads out of the folder"
        elif name.casefold() in names:
            problem = "stands there twice"
        elif name.endswith("/") or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
            problem = "is a link, a folder or a special file"
        if problem:
            raise RunError(f"{path}: the entry {name!r} {problem}; expected a file that mlmt_jax.pack wrote")
        names.add(name.casefold())
    size, limit = sum(e.file_size for e in entries), max(_SMALL, _LARGEST_RATIO * path.stat().st_size)
    if size > limit or len(entries) > _MOST_ENTRIES:
        raise RunError(
            f"{path}: {len(entries)} files of {size} bytes are packed in it; "
            f"expected at most {_MOST_ENTRIES} and {limit} bytes"
        )
