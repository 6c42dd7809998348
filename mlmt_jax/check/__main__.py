"""``python -m mlmt_jax.check CONFIG``: say what is wrong or suspicious in the data; trains nothing."""

import argparse
import sys
from collections.abc import Sequence

from mlmt_jax.check.examination import examine
from mlmt_jax.cli.arguments import add_config_arguments
from mlmt_jax.cli.entry import run
from mlmt_jax.config import load_config

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mlmt_jax.check",
        description="Say what is wrong (error: training refuses it) or suspicious (warning) in the data.",
        epilog="Ends with status 2 where there is an error, else with 0.",
    )
    add_config_arguments(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Examines all files of a config.

    Raises:
        InputError: on a config that cannot be used.
    """
    args = _parser().parse_args(argv)
    config = load_config(args.config, args.overrides, check_files=False)
    found = examine(config, args.config)
    print(found, flush=True)
    if found.errors:
        sys.exit(2)


if __name__ == "__main__":
    run(main)
