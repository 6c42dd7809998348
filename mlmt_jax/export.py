"""``mlmt export RUN FILE``: write a tagger as one file that needs none of the model's code."""

import argparse
from collections.abc import Sequence

from mlmt_jax.cli.arguments import make_parser
from mlmt_jax.cli.entry import run


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command line: RUN, FILE, --task and --replica."""
    parser = make_parser(
        "export", "Write a tagger as one file that needs none of the model's code.", "runs/my my.tagger"
    )
    parser.add_argument("run", help="the run folder")
    parser.add_argument("file", help="the file to write; an existing file is replaced")
    parser.add_argument("--task", metavar="NAME", help="a task of the run (default: its target)")
    parser.add_argument("--replica", type=int, metavar="N", help="one of its replicas (default: the best)")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Write a run's tagger as StableHLO programs, parameters and vocabulary; print task, replica and file.

    Args:
        argv: command-line arguments without the program's name; None for those of the process.

    Raises:
        InputError: if the run cannot be used, JAX finds no device, or the file cannot be written.
        SystemExit: if the arguments are wrong (status 2), or help was asked for (0).
    """
    args = _parser().parse_args(argv)
    from mlmt_jax.runs.folder import RunFolder
    from mlmt_jax.runs.replica_choice import choose_replica
    from mlmt_jax.tagger import Tagger
    from mlmt_jax.training.processes import first_device

    first_device()
    folder = choose_replica(RunFolder(args.run), args.replica)
    tagger = Tagger.load(folder.path, args.task)
    tagger.export(args.file)
    print(f"{tagger.task}{f', replica {folder.path.name}' if folder.is_replica else ''}: {args.file}")


if __name__ == "__main__":
    run(main)
