"""A survey of a run folder: what is on disk, as the plans of ``resume_plan`` take it."""

from mlmt_jax.runs.checkpoints import Checkpoints
from mlmt_jax.runs.folder import FIRST_FILES, RESULT_FILES, RunFolder
from mlmt_jax.runs.metrics_file import read_metrics
from mlmt_jax.runs.resume_plan import FolderContents, ReplicaOnDisk
from mlmt_jax.runs.run_json import SEALED


def folder_contents(folder: RunFolder) -> FolderContents:
    """Return which files of a run a folder holds; nothing is read from them. The folder may be missing."""
    path = folder.path
    names = [file.name for file in path.iterdir()] if path.is_dir() else None
    return FolderContents(
        path,
        folder.holds_run,
        folder.is_replica,
        (path / "run.json").exists(),
        tuple(name for name in (*SEALED, *RESULT_FILES) if (path / name).exists()),
        names is not None and all(name in FIRST_FILES or name.startswith(".") for name in names),
    )


def replica_on_disk(folder: RunFolder, checkpoints: Checkpoints) -> ReplicaOnDisk:
    """Return what the folder of a replica, or of a run alone, holds; ``checkpoints`` are those of the folder.

    Raises:
        RunError: if a file is a link, or ``diverged.json`` is damaged.
    """
    lines, _ = read_metrics(folder.metrics)
    return ReplicaOnDisk(
        folder.checkpoints,
        checkpoints.stored_states(),
        checkpoints.newest_best,
        max((line.step for line in lines), default=0),
        folder.summary.exists(),
        folder.read_divergence(),
    )
