"""The command ``mlmt convert``: a checkpoint of the original PyTorch code to a run folder."""

import os
from collections.abc import Sequence
from pathlib import Path

from mlmt_jax.cli.arguments import make_parser
from mlmt_jax.cli.entry import run
from mlmt_jax.convert.torch_file import read_checkpoint
from mlmt_jax.errors import RunError


def main(argv: Sequence[str] | None = None) -> None:
    """Convert a checkpoint to a run folder and print its tasks, with their numbers of tags and words.

    Args:
        argv: command-line arguments (the checkpoint file, the run folder); None for those of the process.

    Raises:
        InputError: the file cannot be read or converted, the run folder exists and is not an empty folder or
            cannot be written, or JAX finds no device.
        SystemExit: the arguments are wrong (status 2), or help was asked for (0).
    """
    parser = make_parser(
        "convert",
        "Convert a checkpoint of limteng-rpi/mlmt to a run folder. Reading it needs PyTorch.",
        "model.mdl runs/converted",
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
    from mlmt_jax.convert.run_writer import write_run
    from mlmt_jax.training.processes import first_device

    first_device()
    converted = convert_checkpoint(checkpoint, output)
    write_run(converted, checkpoint, output)
    print(f"Wrote {args.run}:")
    vocabulary = converted.corpus.vocabulary
    for task in converted.config.tasks:
        words = len(vocabulary.words[task.model.word_embed].words)
        print(f"  {task.name}: {len(vocabulary.tags[task.task])} tags, {words} words")


if __name__ == "__main__":
    run(main)
