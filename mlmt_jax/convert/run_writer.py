"""The run folder of a converted checkpoint."""

import contextlib
import tempfile
from pathlib import Path

from mlmt_jax.convert.conversion import Run
from mlmt_jax.convert.torch_file import Checkpoint
from mlmt_jax.runs.atomic_files import write_errors
from mlmt_jax.runs.checkpoints import Checkpoints
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.same_run import data_records
from mlmt_jax.training.device import versions


def write_run(run: Run, checkpoint: Checkpoint, output: Path) -> None:
    """Write a run completely or not at all: to a temporary sibling folder, which is then moved.

    The parameters become the best checkpoint, of step 0. ``summary.json`` has no scores; of the original's
    arguments it has those that are strings, numbers, booleans or None. Missing parents are created.

    Args:
        run: content of the run folder.
        checkpoint: its source, for ``summary.json``.
        output: the run folder, which is empty or does not exist.

    Raises:
        RunError: the folder cannot be written.
    """
    plain = (str, int, float, bool, type(None))
    args = {key: value for key, value in checkpoint.args.items() if isinstance(value, plain)}
    summary = {
        "target": run.config.target.name,
        "converted": {"file": checkpoint.path, "args": args},
        "versions": versions(),
        "scores": {},
    }
    with write_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as temporary:
            folder = RunFolder(Path(temporary) / "run")
            folder.create(run.config, [(run.config, data_records(run.config, run.corpus))])
            with contextlib.closing(Checkpoints(folder.checkpoints, folder.id)) as checkpoints:
                checkpoints.save_best(0, run.params)
                checkpoints.wait()
            folder.write("summary.json", summary)
            folder.path.replace(output)
