"""The command ``mlmt configure``: flags and data files to a config file."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlmt_jax.cli.arguments import command_line
from mlmt_jax.config import parse_config
from mlmt_jax.configure.arrangement import build_config
from mlmt_jax.configure.flags import parse_flags
from mlmt_jax.configure.sources import read_sources
from mlmt_jax.errors import ConfigError
from mlmt_jax.runs.atomic_files import replace_text


def main(argv: Sequence[str] | None = None) -> None:
    """Write the config file and print the commands that check and train it.

    Args:
        argv: command-line arguments; None for those of the process.

    Raises:
        InputError: files or flags cannot be used, or the config file exists already.
    """
    args = parse_flags(argv)
    output = Path(args.output)
    if not output.name:
        raise ConfigError(f"--output: invalid value (got {args.output!r}, expected the name of a file)")
    sources = read_sources(args)
    for source in sources:
        if output.exists() and any(output.samefile(path) for path in source.files.values()):
            raise ConfigError(f"--output {output}: is one of the data files (expected another name)")
    data = build_config(args, sources, output.parent)
    parse_config(data, source=str(output))
    _write(output, data, force=args.force)
    print(f"Wrote {output}:")
    for source in sources:
        print(f"  {source}")
    print("Check the files and train with:")
    for command in ("check", "train"):
        print(f"  {command_line(command, str(output))}")


def _write(output: Path, data: dict[str, Any], *, force: bool) -> None:
    """Write the config; raise ``ConfigError`` if it exists and ``force`` is false, or if the write fails."""
    if not force and os.path.lexists(output):
        raise ConfigError(f"{output}: exists already (expected --force or another --output)")
    try:
        replace_text(output, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise ConfigError(f"{output}: cannot be written: {error.strerror}") from None
