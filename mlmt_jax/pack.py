"""``mlmt pack RUN FILE.zip``: pack what tagging needs into one file, with a model card."""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from mlmt_jax.cli.arguments import make_parser
from mlmt_jax.cli.entry import run
from mlmt_jax.runs.folder import RunFolder


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command line: RUN, FILE, --replica and --drop-states."""
    parser = make_parser(
        "pack", "Pack what tagging needs into one file, with a model card.", "runs/my my.zip"
    )
    parser.add_argument("run", help="the run folder")
    parser.add_argument("file", help="the zip file to write; an existing file is replaced")
    parser.add_argument("--replica", type=int, metavar="N", help="one of its replicas (default: the best)")
    parser.add_argument(
        "--drop-states",
        action="store_true",
        help="then delete the run's training states: it tags as before, but cannot be resumed",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Write a packed run, which `predict`, `evaluate` and `Tagger.load` take; print the file and its size.

    Args:
        argv: command-line arguments without the program's name; None for those of the process.

    Raises:
        InputError: if the run cannot be used, is being trained (with --drop-states), or the file cannot be
            written.
        SystemExit: if the arguments are wrong (status 2), or help was asked for (0).
    """
    args = _parser().parse_args(argv)
    from mlmt_jax.results.model_card import model_card
    from mlmt_jax.runs.packed import pack_run
    from mlmt_jax.runs.replica_choice import choose_replica

    whole, path = RunFolder(args.run), Path(args.file)
    folder = choose_replica(whole, args.replica)
    pack_run(folder, model_card(folder), path)
    replica = f" (replica {folder.path.name})" if folder.is_replica else ""
    print(f"{path}{replica}: {path.stat().st_size / 1e6:.1f} MB")
    if args.drop_states:
        _drop_states(whole)


def _drop_states(folder: RunFolder) -> None:
    """Delete the training states of a run and of its replicas; print the bytes that they had."""
    from mlmt_jax.runs.lock import locked

    with locked(folder.path):
        states = [replica.checkpoints / "last" for replica in folder.runs(folder.config().training.replicas)]
        size = sum(file.stat().st_size for path in states for file in path.rglob("*") if file.is_file())
        for path in states:
            if path.exists():
                shutil.rmtree(path)
    print(f"{folder.path}: training states deleted, {size / 1e6:.1f} MB; the run cannot be resumed")


if __name__ == "__main__":
    run(main)
