"""From flags to a run folder."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from mlmt_jax.convert.torch_file import read_checkpoint
from mlmt_jax.errors import RunError

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mlmt_jax.convert",
        description="Brings a checkpoint of limteng-rpi/mlmt over as a run folder; needs PyTorch to read it.",
    )
    parser.add_argument("file", help="the checkpoint (.mdl)")
    parser.add_argument("run", help="the run folder to write: a new or an empty one")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the run folder and says which tasks it has.

    Raises:
        InputError: on a file that cannot be brought over, or a folder that is not free.
    """
    args = _parser().parse_args(argv)
    output = Path(os.path.realpath(args.run))
    _check_free(output)
    checkpoint = read_checkpoint(args.file)
    from mlmt_jax.convert.conversion import assemble
    from mlmt_jax.convert.writing import write_run
    from mlmt_jax.training.processes import first_device

    first_device()
    run = assemble(checkpoint, output)
    write_run(run, checkpoint, output)
    print(f"Wrote {args.run}:")
    for task in run.config.tasks:
        words = len(run.corpus.vocabulary.words[task.model.word_embed].words)
        print(f"  {task.name}: {len(run.corpus.vocabulary.tags[task.task])} tags, {words} words")


def _check_free(output: Path) -> None:
    try:
        free = not output.exists() or (output.is_dir() and not any(output.iterdir()))
    except OSError as error:
        raise RunError(f"{output}: cannot be read: {error.strerror}") from None
    if not free:
        raise RunError(f"{output}: exists already; expected a new or an empty folder")
