"""The command ``python -m mlmt_jax.convert``: a checkpoint of the original PyTorch code to a run folder."""

import argparse
import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlmt_jax.convert.torch_file import Checkpoint, read_checkpoint
from mlmt_jax.errors import RunError
from mlmt_jax.runs.atomic_files import write_errors

if TYPE_CHECKING:
    from mlmt_jax.convert.conversion import Run


def main(argv: Sequence[str] | None = None) -> None:
    """Convert a checkpoint to a run folder and print its tasks, with their numbers of tags and words.

    Args:
        argv: command-line arguments (the checkpoint file, the run folder); None for those of the process.

    Raises:
        InputError: the file cannot be read or converted, the run folder exists and is not an empty folder or
            cannot be written, or JAX finds no device.
        SystemExit: the arguments are wrong (status 2), or help was asked for (0).
    """
    parser = argparse.ArgumentParser(
        prog="python -m mlmt_jax.convert",
        description="Convert a checkpoint of limteng-rpi/mlmt to a run folder. Reading it needs PyTorch.",
    )
    parser.add_argument("file", help="the checkpoint (.mdl)")
    parser.add_argument("run", help="the run folder to write: a new or an empty folder")
    args = parser.parse_args(argv)
    output = Path(os.path.realpath(args.run))
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise RunError(f"{output}: exists already (expected a new or an empty folder)")
    checkpoint = read_checkpoint(args.file)
    # Imported late: an unusable file is refused without loading JAX.
    from mlmt_jax.convert.conversion import convert_checkpoint
    from mlmt_jax.training.processes import first_device

    first_device()
    run = convert_checkpoint(checkpoint, output)
    _write_run(run, checkpoint, output)
    print(f"Wrote {args.run}:")
    vocabulary = run.corpus.vocabulary
    for task in run.config.tasks:
        words = len(vocabulary.words[task.model.word_embed].words)
        print(f"  {task.name}: {len(vocabulary.tags[task.task])} tags, {words} words")


def _write_run(run: "Run", checkpoint: Checkpoint, output: Path) -> None:
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
    from mlmt_jax.runs.checkpoints import Checkpoints
    from mlmt_jax.runs.folder import RunFolder
    from mlmt_jax.runs.same_run import data_records
    from mlmt_jax.training.device import versions

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
