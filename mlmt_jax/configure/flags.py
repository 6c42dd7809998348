"""The command line: the original scripts' flags and defaults, one subcommand an arrangement of tasks."""

import argparse
import os
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from mlmt_jax.config.fields import ACTIVATIONS, NAME_PATTERN

__all__ = ["ARRANGEMENTS", "EPOCHS", "MIN_STEPS", "Slot", "build_parser"]

#: How long a run is where nobody says. After fewer steps, a model of ten sentences finds nothing yet.
EPOCHS, MIN_STEPS = 100, 1000


class Slot(NamedTuple):
    """One task model of an arrangement."""

    ending: str  # of its flags: --train_cl
    language: int  # 0 the target's, 1 the other one
    task: int  # 0 the target's, 1 the other one
    whose: str  # in words


_TARGET = Slot("_tgt", 0, 0, "the target")
_OTHER_LANGUAGE = Slot("_cl", 1, 0, "its task in the other language")
_OTHER_TASK = Slot("_ct", 0, 1, "the other task in its language")
_BOTH = Slot("_clct", 1, 1, "the other task in the other language")

#: The task models of each subcommand, the target first.
ARRANGEMENTS = {
    "single": (_TARGET._replace(ending=""),),
    "cross-lingual": (_TARGET, _OTHER_LANGUAGE),
    "cross-task": (_TARGET, _OTHER_TASK),
    "multi": (_TARGET, _OTHER_LANGUAGE, _OTHER_TASK, _BOTH),
}
_SUMMARIES = {
    "single": "the target alone",
    "cross-lingual": "the target and its task in another language",
    "cross-task": "the target and another task in its language",
    "multi": "the target, its task in another language, another task in its language, and both",
}


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``python -m mlmt_jax.configure``."""
    parser = argparse.ArgumentParser(
        prog="python -m mlmt_jax.configure",
        description="Writes a config file from data files and a few flags.",
    )
    commands = parser.add_subparsers(dest="arrangement", required=True)
    for arrangement, slots in ARRANGEMENTS.items():
        summary = _SUMMARIES[arrangement]
        command = commands.add_parser(
            arrangement,
            help=summary,
            description=f"Configures {summary}.",
            allow_abbrev=False,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        command.add_argument(
            "--output", default=f"{arrangement}.json", metavar="FILE", help="config file to write"
        )
        _add_files(command, slots)
        _add_hyperparameters(command)
    return parser


def _add_files(command: argparse.ArgumentParser, slots: Sequence[Slot]) -> None:
    def add(*flags: str, text: str, **options: Any) -> None:
        # No default to speak of: argparse would print "(default: None)".
        command.add_argument(*flags, help=text, default=argparse.SUPPRESS, metavar="FILE", **options)

    for ending, _, _, whose in slots:
        add(f"--train{ending}", text=f"training file of {whose}", required=True, type=_existing)
        add(f"--dev{ending}", text=f"development file of {whose}", required=True, type=_existing)
        add(f"--test{ending}", text=f"test file of {whose}", type=_existing)
    if any(slot.language for slot in slots):
        add("--word_embed_1", text="word vectors of the target's language", type=_existing)
        add("--word_embed_2", text="word vectors of the other language", type=_existing)
    else:
        add("--word_embed", "--word_embed_1", text="word vectors", dest="word_embed_1", type=_existing)
    command.add_argument("--force", action="store_true", help="overwrite the config file")
    command.add_argument("--encoding", default="utf-8", help="text encoding of the data files")
    command.add_argument(
        "--languages",
        type=_names,
        default="lang1,lang2",
        metavar="NAMES",
        help="names of the target's and the other language",
    )
    command.add_argument(
        "--tasks",
        type=_names,
        default=argparse.SUPPRESS,
        metavar="NAMES",
        help="names of the target's and the other task (default: ner for spans, pos for single words)",
    )


def _add_hyperparameters(command: argparse.ArgumentParser) -> None:
    def add(flag: str, default: int | float, text: str) -> None:
        kind = type(default)
        command.add_argument(flag, default=default, type=kind, metavar=kind.__name__.upper(), help=text)

    command.add_argument(
        "--word_embed_dim",
        type=int,
        metavar="INT",
        default=argparse.SUPPRESS,
        help="length of word vectors (default: that of a vector file, else 100)",
    )
    command.add_argument("--word_ignore_case", action="store_true", help="lower-case all words")
    command.add_argument(
        "--charcnn_filters",
        type=_filters,
        default="2,25;3,25;4,25",
        metavar="PAIRS",
        help="width,number of character filters",
    )
    command.add_argument("--use_highway", action="store_true", help="highway layers over the characters")
    command.add_argument(
        "--charhw_func", choices=ACTIVATIONS, default="relu", metavar="NAME", help="their non-linearity"
    )
    command.add_argument("--gpu", action="store_true", help="warn if there is no GPU")
    add("--charhw_layer", 1, "number of highway layers")
    add("--char_embed_dim", 50, "length of character vectors")
    add("--lstm_hidden_size", 100, "state size of each direction of the LSTM")
    add("--lstm_forget_bias", 0.0, "start value of the forget gate's bias")
    add("--feat_dropout", 0.5, "dropout of word and character features")
    add("--lstm_dropout", 0.5, "dropout of the LSTM's states")
    add("--linear_dropout", 0.0, "dropout of the tag scores")
    add("--batch_size", 10, "sentences in a batch")
    command.add_argument(
        "--max_epoch",
        type=int,
        metavar="INT",
        default=argparse.SUPPRESS,
        help=f"epochs of the target's training data (default: {EPOCHS}, and where these are fewer than "
        f"{MIN_STEPS} steps, as many as make {MIN_STEPS})",
    )
    add("--lr", 0.005, "learning rate")
    add("--momentum", 0.9, "momentum")
    add("--decay_rate", 0.9, "factor of the learning rate over decay_step steps")
    add("--decay_step", 10_000, "steps of a task")
    add("--grad_clipping", 5.0, "largest norm of a gradient")


def _existing(path: str) -> str:
    if not os.path.isfile(path):
        raise argparse.ArgumentTypeError(f"no such file: {path}")
    return path


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(re.search(NAME_PATTERN, name) for name in names) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(
            f"got {text!r}; expected different names with commas between them, without slashes or control "
            "characters"
        )
    return names


def _filters(text: str) -> list[list[int]]:
    try:
        pairs = [[int(number) for number in pair.split(",")] for pair in text.split(";")]
    except ValueError:
        pairs = []
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise argparse.ArgumentTypeError(f"got {text!r}; expected width,number pairs such as 2,25;3,25")
    return pairs
