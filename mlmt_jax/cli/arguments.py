"""Arguments that several command lines share, and what they stand for."""

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlmt_jax.tagger import Ensemble, Tagger

_SEPARATORS = {"tab": "\t", "space": " ", "any": None}


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the config file, and the option that overrides its values, as `config` and `overrides`."""
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
    """Add the run folder, and the options that choose one of its taggers for `load_tagger`."""
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
    """Add the options for a file whose columns are not those of the training file, for `chosen_columns`."""
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
    """Return the fields of `ColumnFormat` that the options set."""
    names = ("token_col", "label_col", "skip_comment", "encoding")
    fields = {name: value for name in names if (value := getattr(args, name, None)) is not None}
    if args.separator is not None:
        fields["separator"] = _SEPARATORS[args.separator]
    return fields


def load_tagger(args: argparse.Namespace) -> "Tagger | Ensemble":
    """Load the tagger that the options of `add_tagger_arguments` choose from the run folder `args.run`.

    Raises:
        InputError: if JAX finds no device, or as in `Tagger.load`.
    """
    from mlmt_jax.tagger import Ensemble, Tagger
    from mlmt_jax.training.processes import first_device

    first_device()  # a missing device is reported before the run is read
    if args.ensemble:
        return Ensemble.load(args.run, args.task, args.vectors)
    return Tagger.load(args.run, args.task, args.vectors, args.replica)
