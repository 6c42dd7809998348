"""The command ``mlmt check CONFIG``: report what is wrong or suspicious in the data."""

import sys
from collections.abc import Sequence

from mlmt_jax.check.examination import examine
from mlmt_jax.cli.arguments import add_config_arguments, make_parser
from mlmt_jax.cli.entry import run
from mlmt_jax.config import load_config


def main(argv: Sequence[str] | None = None) -> None:
    """Examine all files of a config and print the findings; exit with status 2 if there is an error.

    Raises:
        InputError: the config cannot be used.
    """
    parser = make_parser(
        "check",
        "Report what is wrong (error: training refuses it) or suspicious (warning) in the data. Nothing is "
        "trained. The exit status is 2 if there is an error, else 0.",
        "my.json",
    )
    add_config_arguments(parser)
    args = parser.parse_args(argv)
    config = load_config(args.config, args.overrides, check_files=False)
    examination = examine(config, args.config)
    print(examination, flush=True)
    if examination.errors:
        sys.exit(2)


if __name__ == "__main__":
    run(main)
