"""``python -m mlmt_jax.train CONFIG``: train, evaluate and keep a tagger."""

import argparse
import contextlib
import json
import shlex
import sys
from collections.abc import Sequence

from mlmt_jax.cli.arguments import add_config_arguments
from mlmt_jax.cli.entry import run
from mlmt_jax.config import Config, load_config
from mlmt_jax.errors import RunError

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mlmt_jax.train", description=__doc__)
    add_config_arguments(parser)
    parser.add_argument("--output", metavar="FOLDER", help="the run folder (training.output)")
    parser.add_argument(
        "--replicas", type=int, metavar="R", help="train R runs side by side (training.replicas)"
    )
    parser.add_argument(
        "--distributed",
        action="store_true",
        help="train with other processes, which JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and "
        "JAX_PROCESS_ID or the cluster name",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--resume", action="store_true", help="continue the run that the folder holds")
    what.add_argument("--check", action="store_true", help="examine all data, tell what is there, and stop")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Trains the run that a config describes.

    Raises:
        InputError: on anything in config, data or run folder that cannot be used.
    """
    args = _parser().parse_args(argv)
    flags = [] if args.replicas is None else [f"training.replicas={args.replicas}"]
    flags += [] if args.output is None else [f"training.output={json.dumps(args.output)}"]
    config = load_config(args.config, [*args.overrides, *flags], check_files=not args.check)
    if args.check:
        _examine(config, args.config)
    # JAX is loaded once the config is known to be good: a typing error should be told at once.
    from mlmt_jax.runs.data_record import digests
    from mlmt_jax.runs.folder import RunFolder
    from mlmt_jax.runs.lock import locked
    from mlmt_jax.training import processes
    from mlmt_jax.training.loop import train
    from mlmt_jax.training.replica_group import device_mesh
    from mlmt_jax.training.run_tables import describe_corpora, describe_run, print_findings
    from mlmt_jax.training.setup import choose_device, prepare_replicas, require_memory
    from mlmt_jax.training.signals import Stopped
    from mlmt_jax.training.window import DivergedError

    output = config.training.output
    assert output is not None
    folder = RunFolder(output)
    if args.distributed:
        processes.start()
    shared = config.training.data_parallel > 1
    sharing = config.training.data_parallel * config.training.replicas if shared else 1
    line, warning = choose_device(config.training.gpu, sharing)
    print(line)
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    first = processes.is_first()
    command = ["python", "-m", "mlmt_jax.train", *(sys.argv[1:] if argv is None else argv)]
    command += [] if args.resume else ["--resume"]
    with contextlib.ExitStack() as stack:
        with processes.refusing_together():
            if first and not args.check:
                folder.check_free(resume=args.resume)
            if first and args.resume:
                stack.enter_context(locked(output))
            setups = prepare_replicas(config)
            require_memory(setups)
            if args.check:
                print(describe_run(setups[0]))
                return
            print_findings(dict.fromkeys(found for setup in setups for found in setup.corpus.findings))
            device_mesh(len(setups), config.training.data_parallel)  # refuses before anything is written
            corpora = [(setup.config, setup.corpus) for setup in setups]
            sums = digests(corpora) if args.distributed else {}
        processes.check_alike(sums)
        with processes.refusing_together():
            if first and args.resume and folder.holds_run():
                folder.check_same(config, corpora)
            elif first:
                if not args.resume:
                    stack.enter_context(locked(output))
                    folder.check_free(resume=False)  # another process may have been quicker
                folder.create(config, corpora)
            if first and len(setups) > 1:
                for own in folder.runs(len(setups)):
                    stack.enter_context(locked(own.path))

        def go_on() -> None:
            if first:
                folder.go_on(config, [setup.config for setup in setups])

        several = len({id(setup.corpus) for setup in setups}) > 1
        whose = "data of replica 0; the others have samples of their own\n" if several else ""
        print(f"run folder: {output}\n\n{whose}{describe_corpora(setups[0])}\n", flush=True)
        try:
            with processes.leaving_others((Stopped, DivergedError)):
                train(setups, folder, go_on)
        except Stopped as stopped:
            print(f"\nstopped at step {stopped.step}; to go on: {shlex.join(command)}", file=sys.stderr)
            sys.exit(128 + stopped.signum)
        except (RuntimeError, ValueError, MemoryError) as error:  # JAX's errors are the first two
            if processes.is_of_others(error):
                reason = str(error).partition("\n")[0]
                raise RunError(f"--distributed: another process has failed or is lost: {reason}") from error
            if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
                raise
            raise RunError(
                f"{output}: the run needs more memory than there is; expected a smaller model, smaller "
                "batches (batch_size, eval_batch_size, max_len) or fewer replicas"
            ) from None


def _examine(config: Config, source: str) -> None:
    """Prints all findings; they are those of loading too. Ends the process where there is an error."""
    from mlmt_jax.check import examine

    found = examine(config, source)
    print(f"{found}\n", flush=True)
    if found.errors:
        sys.exit(2)


if __name__ == "__main__":
    run(main)
