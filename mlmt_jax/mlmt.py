"""The command ``mlmt COMMAND ...``: all commands under one name."""

import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

from mlmt_jax.cli.entry import run
from mlmt_jax.config.problems import suggestion
from mlmt_jax.errors import InputError


class Command(NamedTuple):
    """A command of ``mlmt``."""

    module: str  # its function `main` takes the arguments
    summary: str


#: The commands in the order in which they are used.
COMMANDS = {
    "configure": Command(
        "mlmt_jax.configure.config_writer", "write a config from data files and a few flags"
    ),
    "check": Command("mlmt_jax.check.__main__", "report what is wrong or suspicious in the data"),
    "train": Command("mlmt_jax.train", "train and evaluate a tagger"),
    "evaluate": Command("mlmt_jax.evaluate", "score a trained tagger on a labelled file"),
    "predict": Command("mlmt_jax.predict", "tag a file or standard input"),
    "export": Command("mlmt_jax.export", "write a tagger as one file that needs none of the model's code"),
    "pack": Command("mlmt_jax.pack", "write what tagging needs of a run as one file to send"),
    "convert": Command("mlmt_jax.convert.__main__", "make a run folder of a checkpoint of the PyTorch code"),
    "config": Command("mlmt_jax.config.__main__", "print the schema of the config file, or its reference"),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that the first argument names, or list the commands.

    Args:
        argv: command-line arguments without the program's name; None for those of the process.

    Raises:
        InputError: there is no such command, or as the command does.
        SystemExit: as the command does.
    """
    name, *arguments = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help", "help"):
        print(_overview())
    elif name == "--version":
        print(_version())
    elif name in COMMANDS:
        importlib.import_module(COMMANDS[name].module).main(arguments)
    else:
        raise InputError(f"mlmt: {name!r} is no command; {suggestion(name, COMMANDS)}")


def _overview() -> str:
    """Return the list of all commands."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items()]
    head = (
        "usage: mlmt COMMAND ...\n\nTag words of languages with little labelled data. From files to tags:\n"
    )
    tail = "\nmlmt COMMAND --help describes a command, mlmt --version this installation."
    return "\n".join([head, *lines, tail])


def _version() -> str:
    """Return the versions of this package and of JAX, and the device."""
    from mlmt_jax.training.device import device_and_versions
    from mlmt_jax.training.processes import first_device

    first_device()
    facts = device_and_versions()
    versions = facts["versions"]
    return f"mlmt_jax {versions['mlmt-jax']}, jax {versions['jax']}, {facts['device']}"


def start() -> None:
    """Run the command of the process: the entry of the script ``mlmt``."""
    run(main)
