"""``mlmt train CONFIG``: train, evaluate and keep a tagger."""

import argparse
import json
import sys
from collections.abc import Sequence

from mlmt_jax.cli.arguments import add_config_arguments, command_line, make_parser
from mlmt_jax.cli.entry import run
from mlmt_jax.config import load_config


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Arguments are CONFIG, --set, --output, --replicas, --distributed, --verbose, --resume and --check.
    --resume and --check exclude each other. --output and --replicas are None if they are not used.
    """
    parser = make_parser(
        "train",
        "Train, evaluate and keep a tagger.",
        "my.json --set training.max_step=200 --output runs/trial",
    )
    add_config_arguments(parser)
    parser.add_argument("--output", metavar="FOLDER", help="the run folder (training.output)")
    parser.add_argument(
        "--replicas", type=int, metavar="R", help="train R runs side by side (training.replicas)"
    )
    parser.add_argument(
        "--distributed",
        action="store_true",
        help="train with other processes; JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID, or "
        "the cluster, identify them",
    )
    parser.add_argument("--verbose", action="store_true", help="print all scores of each evaluation")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--resume", action="store_true", help="continue the run that the folder holds")
    action.add_argument(
        "--check", action="store_true", help="check all data, print findings and tables, and stop"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Train the run that a config describes; with --check only check its data and print tables.

    --output and --replicas override the config and --set.

    Args:
        argv: command-line arguments without the program's name; None for those of the process.

    Raises:
        InputError: if anything in config, data or run folder cannot be used.
        SystemExit: if the arguments are wrong or --check finds errors (status 2); if a signal stopped the
            training after it saved its state (128 + number of the signal); or help was asked for (0).
    """
    args = _parser().parse_args(argv)
    flags = [] if args.replicas is None else [f"training.replicas={args.replicas}"]
    flags += [] if args.output is None else [f"training.output={json.dumps(args.output)}"]
    config = load_config(args.config, [*args.overrides, *flags], check_files=not args.check)
    if args.check:
        from mlmt_jax.check import examine

        # The findings are those of loading too.
        examination = examine(config, args.config)
        print(f"{examination}\n", flush=True)
        if examination.errors:
            sys.exit(2)
    else:
        from mlmt_jax.corpus.dataset import check_beginnings

        check_beginnings(config)
    # JAX is imported once the config is known to be good: a typing error is reported at once.
    from mlmt_jax.results.run_end import finish_run, print_end
    from mlmt_jax.runs.folder import RunFolder
    from mlmt_jax.training import processes
    from mlmt_jax.training.device import choose_device
    from mlmt_jax.training.launch import describe, launch
    from mlmt_jax.training.setup import Setup
    from mlmt_jax.training.signals import TrainingStopped

    if args.distributed:
        processes.start()
    data_parallel, replicas = config.training.data_parallel, config.training.replicas
    line, warning = choose_device(config.training.gpu, data_parallel * replicas if data_parallel > 1 else 1)
    print(line)
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    if args.check:
        print(describe(config))
        return
    arguments = [*(sys.argv[1:] if argv is None else argv)]
    config_arguments = [args.config, *(word for value in args.overrides for word in ("--set", value))]

    def finish(folder: RunFolder, setups: Sequence[Setup]) -> None:
        finish_run(folder, setups)
        print_end(folder, arguments, config_arguments)

    try:
        launch(config, resume=args.resume, distributed=args.distributed, finish=finish, verbose=args.verbose)
    except TrainingStopped as stopped:
        command = command_line("train", *arguments, *([] if args.resume else ["--resume"]))
        print(f"\nstopped at step {stopped.step}; to go on: {command}", file=sys.stderr)
        sys.exit(128 + stopped.signum)


if __name__ == "__main__":
    run(main)
