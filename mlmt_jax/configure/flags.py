"""The command line: flags and defaults of the original scripts, one subcommand per arrangement of tasks."""

import argparse
import os
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from mlmt_jax.cli.arguments import make_parser
from mlmt_jax.config.fields import ACTIVATIONS, NAME_PATTERN
from mlmt_jax.config.recipes import RECIPES

#: Length of a run with lin2018: so many epochs, but at least so many steps. Fewer steps teach a model of ten
#: sentences nothing.
EPOCHS, MIN_STEPS = 100, 1000


class Slot(NamedTuple):
    """The place of one task model in an arrangement."""

    suffix: str  # of its flags, such as --train_cl
    language: int  # 0: the target's language, 1: the other one
    task: int  # 0: the target's task, 1: the other one
    description: str


class Arrangement(NamedTuple):
    """The task models that a subcommand configures."""

    summary: str
    slots: tuple[Slot, ...]  # the target first


_TARGET = Slot("_tgt", 0, 0, "the target")
_OTHER_LANGUAGE = Slot("_cl", 1, 0, "its task in the other language")
_OTHER_TASK = Slot("_ct", 0, 1, "the other task in its language")
_BOTH = Slot("_clct", 1, 1, "the other task in the other language")

#: The arrangement of each subcommand.
ARRANGEMENTS = {
    "single": Arrangement("the target alone", (_TARGET._replace(suffix=""),)),
    "cross-lingual": Arrangement("the target and its task in another language", (_TARGET, _OTHER_LANGUAGE)),
    "cross-task": Arrangement("the target and another task in its language", (_TARGET, _OTHER_TASK)),
    "multi": Arrangement(
        "the target, its task in another language, another task in its language, and both",
        (_TARGET, _OTHER_LANGUAGE, _OTHER_TASK, _BOTH),
    ),
}

# Flags with a number: default with lin2018, that of the original's scripts, and help.
_NUMBERS: dict[str, tuple[int | float, str]] = {
    "--charhw_layer": (1, "number of highway layers"),
    "--char_embed_dim": (50, "size of a character vector"),
    "--lstm_hidden_size": (100, "size of the LSTM's hidden state, for each direction"),
    "--lstm_forget_bias": (0.0, "initial bias of the forget gate"),
    "--feat_dropout": (0.5, "dropout rate of the word and character features"),
    "--lstm_dropout": (0.5, "dropout rate of the LSTM's states"),
    "--linear_dropout": (0.0, "dropout rate of the tag scores"),
    "--batch_size": (10, "number of sentences per batch"),
    "--lr": (0.005, "learning rate"),
    "--momentum": (0.9, "momentum of SGD"),
    "--decay_rate": (0.9, "factor by which the learning rate falls over --decay_step steps"),
    "--decay_step": (10_000, "number of steps of a task over which the learning rate falls by --decay_rate"),
    "--grad_clipping": (5.0, "maximum global norm of a gradient"),
}


# The other flags of the model whose default depends on the recipe, likewise.
_CHOICES: dict[str, tuple[Any, str]] = {
    "--charcnn_filters": ("2,25;3,25;4,25", "width,number pairs of character filters"),
    "--use_highway": (False, "add highway layers over the characters"),
    "--charhw_func": ("relu", "activation function of the highway layers"),
}


def parse_flags(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; flags of the model that are not given have None, or the defaults of lin2018."""
    args = build_parser().parse_args(argv)
    for flag, (default, _) in (_NUMBERS | _CHOICES).items():
        name = flag.removeprefix("--")
        if not hasattr(args, name):
            setattr(args, name, default if args.recipe == "lin2018" else None)
    if isinstance(args.charcnn_filters, str):
        args.charcnn_filters = _filters(args.charcnn_filters)
    if args.use_highway is None:
        args.use_highway = True
    return args


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mlmt configure``; flags without a default may be absent."""
    parser = make_parser(
        "configure",
        "Write a config file from data files and a few flags.",
        "single --train train.txt --dev dev.txt --output my.json",
    )
    commands = parser.add_subparsers(dest="arrangement", required=True)
    for name, arrangement in ARRANGEMENTS.items():
        command = commands.add_parser(
            name,
            help=arrangement.summary,
            description=f"Configure {arrangement.summary}.",
            allow_abbrev=False,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        command.add_argument("--output", default=f"{name}.json", metavar="FILE", help="config file to write")
        command.add_argument("--force", action="store_true", help="overwrite the config file")
        _add_file_flags(command, arrangement.slots)
        _add_model_flags(command)
    return parser


def _add_file_flags(command: argparse.ArgumentParser, slots: tuple[Slot, ...]) -> None:
    """Add the flags of data files, vector files, languages and tasks."""
    # With a default of None, argparse would print "(default: None)".
    file: dict[str, Any] = {"type": _existing_file, "default": argparse.SUPPRESS, "metavar": "FILE"}
    for suffix, _, _, description in slots:
        for split, name in (("train", "training"), ("dev", "development"), ("test", "test")):
            text, is_required = f"{name} file of {description}", split != "test"
            command.add_argument(f"--{split}{suffix}", help=text, required=is_required, **file)
    if any(slot.language for slot in slots):
        command.add_argument("--word_embed_1", help="word vectors of the target's language", **file)
        command.add_argument("--word_embed_2", help="word vectors of the other language", **file)
    else:
        file["dest"] = "word_embed_1"
        command.add_argument("--word_embed", "--word_embed_1", help="word vectors", **file)
    command.add_argument("--encoding", default="utf-8", help="text encoding of the data files")
    text = "names of the target's language and the other one"
    command.add_argument("--languages", default="lang1,lang2", type=_names, metavar="NAMES", help=text)
    text = "names of the target's task and the other one (default: ner for spans, pos for single words)"
    command.add_argument("--tasks", default=argparse.SUPPRESS, type=_names, metavar="NAMES", help=text)


def _add_model_flags(command: argparse.ArgumentParser) -> None:
    """Add the flags of the model and of training."""
    integer: dict[str, Any] = {"type": int, "default": argparse.SUPPRESS, "metavar": "INT"}
    text = "size of a word vector (default: that of a vector file, or else 100)"
    command.add_argument("--word_embed_dim", help=text, **integer)
    command.add_argument("--word_ignore_case", action="store_true", help="lower-case all words")
    text = "named set of defaults; lin2018 has those of the original's scripts"
    command.add_argument("--recipe", choices=[*RECIPES], default="lowres-1", help=text)
    command.add_argument("--gpu", action="store_true", help="warn if there is no GPU")
    text = "epochs over the target's training data (default: by the number of sentences)"
    command.add_argument("--max_epoch", help=text, **integer)
    kinds: dict[str, dict[str, Any]] = {
        "--charcnn_filters": {"type": _filters, "metavar": "PAIRS"},
        "--use_highway": {"action": argparse.BooleanOptionalAction},
        "--charhw_func": {"choices": ACTIVATIONS, "metavar": "NAME"},
        **{f: {"type": type(d), "metavar": type(d).__name__.upper()} for f, (d, _) in _NUMBERS.items()},
    }
    for flag, (default, text) in (_CHOICES | _NUMBERS).items():
        text = f"{text} (default: by the recipe; lin2018: {default})"
        command.add_argument(flag, default=argparse.SUPPRESS, help=text, **kinds[flag])


def _existing_file(path: str) -> str:
    if not os.path.isfile(path):
        raise argparse.ArgumentTypeError(f"no such file: {path}")
    return path


def _names(text: str) -> list[str]:
    """Parse names separated by commas; they must be valid names of the config and differ."""
    names = [name.strip() for name in text.split(",")]
    if not all(re.search(NAME_PATTERN, name) for name in names) or len(set(names)) < len(names):
        expected = "different names separated by commas, without slashes or control characters"
        raise argparse.ArgumentTypeError(f"invalid value (got {text!r}, expected {expected})")
    return names


def _filters(text: str) -> list[list[int]]:
    """Parse width,number pairs separated by semicolons."""
    try:
        pairs = [[int(number) for number in pair.split(",")] for pair in text.split(";")]
    except ValueError:
        pairs = []
    if not pairs or any(len(pair) != 2 for pair in pairs):
        expected = "width,number pairs such as 2,25;3,25"
        raise argparse.ArgumentTypeError(f"invalid value (got {text!r}, expected {expected})")
    return pairs
