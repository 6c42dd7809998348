"""Arguments that several command lines share, and what they stand for."""

import argparse
import shlex
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlmt_jax.tagger import Ensemble, Tagger

_SEPARATORS = {"tab": "\t", "space": " ", "any": None}


def command_line(command: str, *arguments: str) -> str:
    """Return a command for the user to copy: ``mlmt train my.json``, or ``python -m mlmt_jax.train my.json``.

    It begins as the user has started the process; arguments are quoted for the shell.
    """
    is_script = Path(sys.argv[0]).stem == "mlmt"
    start = ("mlmt", command) if is_script else ("python", "-m", f"mlmt_jax.{command}")
    return shlex.join((*start, *arguments))


def make_parser(command: str, description: str, example: str) -> argparse.ArgumentParser:
    """Return a parser without arguments.

    Args:
        command: its name, such as "train".
        description: of `--help`.
        example: arguments of the command, which `--help` shows at its end.
    """
    return argparse.ArgumentParser(
        prog=command_line(command),
        description=textwrap.fill(description, 78),
        epilog=f"example:\n  {command_line(command)} {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the positional `config` (a path) and the option --set PATH=VALUE, which may be repeated.

    The parsed arguments have `config`, a string, and `overrides`, a list of the strings "PATH=VALUE" in order
    ([] by default). Both fit `load_config`; values are not checked here.
    """
    parser.add_argument("config", help="the JSON config file")
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="PATH=VALUE",
        action="append",
        default=[],
        help="override a value, such as training.max_step=200 or tasks.0.learning_rate=0.01; may be repeated",
    )


def add_tagger_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the positional `run`, and the options --task, --vectors, --replica and --ensemble.

    `load_tagger` uses them. --replica (an integer, not checked further) and --ensemble exclude each other.
    The default of `task`, `vectors` and `replica` is None, that of `ensemble` False.
    """
    parser.add_argument("run", help="the run folder")
    parser.add_argument("--task", metavar="NAME", help="a task of the run (default: its target)")
    parser.add_argument("--vectors", metavar="FILE", help="vectors of words that the run does not know")
    replicas = parser.add_mutually_exclusive_group()
    replicas.add_argument(
        "--replica",
        type=int,
        metavar="N",
        help="one of the run's replicas, from 0 (default: the best on the target's development data)",
    )
    replicas.add_argument(
        "--ensemble", action="store_true", help="all replicas together: the mean of their marginals"
    )


def add_column_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options --token-col, --separator and --no-comments, for `chosen_columns`.

    They describe a file whose columns are not those of the task's training file. The parsed arguments have
    `token_col` (an integer), `separator` ("tab", "space" or "any") and `skip_comment` (False with
    --no-comments). None means as in the training file. There is no option for the column of the tags or the
    encoding.
    """
    parser.add_argument(
        "--token-col",
        type=int,
        metavar="N",
        help="column of the tokens, from 0 (default: the training file's)",
    )
    parser.add_argument(
        "--separator",
        choices=_SEPARATORS,
        help="what separates the columns; any: tabs if a line has one, else spaces (default: as in the "
        "training file)",
    )
    parser.add_argument(
        "--no-comments",
        dest="skip_comment",
        action="store_false",
        default=None,
        help="lines that begin with # are tokens (default: as in the training file)",
    )


def chosen_columns(args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of `ColumnFormat` that the options set, to replace those of the training file.

    Options that are None are left out; without any the result is {}. `separator` becomes the string itself,
    and None for "any".

    Args:
        args: with the options of `add_column_arguments`; `label_col` and `encoding` are used if it has them.

    Returns:
        Some of "token_col", "label_col", "skip_comment", "encoding" and "separator", with their values.
    """
    names = ("token_col", "label_col", "skip_comment", "encoding")
    fields = {name: value for name in names if (value := getattr(args, name, None)) is not None}
    if args.separator is not None:
        fields["separator"] = _SEPARATORS[args.separator]
    return fields


def load_tagger(args: argparse.Namespace) -> "Tagger | Ensemble":
    """Load the tagger that the options of `add_tagger_arguments` choose from the run folder `args.run`.

    Returns:
        With --ensemble the `Ensemble` of all replicas; otherwise the `Tagger` of one replica, by default the
        best. --task chooses the task model, by default the target.

    Raises:
        InputError: if JAX finds no device, --ensemble is used for a run without replicas, or as in
            `Tagger.load`.
    """
    from mlmt_jax.tagger import Ensemble, Tagger
    from mlmt_jax.training.processes import first_device

    first_device()  # a missing device is reported before the run is read
    if args.ensemble:
        return Ensemble.load(args.run, args.task, args.vectors)
    return Tagger.load(args.run, args.task, args.vectors, args.replica)
