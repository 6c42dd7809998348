"""The run folder of a converted checkpoint, written whole or not at all."""

import contextlib
import tempfile
from pathlib import Path
from typing import Any

from mlmt_jax.convert.conversion import Run
from mlmt_jax.convert.torch_file import Checkpoint
from mlmt_jax.errors import RunError
from mlmt_jax.runs.checkpoints import Checkpoints
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.same_run import data_records
from mlmt_jax.training.device import versions

__all__ = ["write_run"]


def write_run(run: Run, checkpoint: Checkpoint, output: Path) -> None:
    """Writes a run beside its place and moves it there.

    Args:
        run: what to write.
        checkpoint: what it comes from, for ``summary.json``.
        output: where; nothing or an empty folder is there.

    Raises:
        RunError: where the folder cannot be written.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as beside:
            folder = RunFolder(Path(beside) / "run")
            folder.create(run.config, [(run.config, data_records(run.config, run.corpus))])
            with contextlib.closing(Checkpoints(folder.checkpoints, folder.id)) as checkpoints:
                checkpoints.save_best(0, run.params)
                checkpoints.wait()
            folder.write("summary.json", _summary(run, checkpoint))
            folder.path.replace(output)
    except OSError as error:
        raise RunError(f"{output}: cannot be written: {error.strerror or error}") from None


def _summary(run: Run, checkpoint: Checkpoint) -> dict[str, Any]:
    plain = (str, int, float, bool, type(None))
    return {
        "target": run.config.target.name,
        "converted": {
            "file": checkpoint.path,
            "args": {key: value for key, value in checkpoint.args.items() if isinstance(value, plain)},
        },
        "versions": versions(),
        "scores": {},
    }
