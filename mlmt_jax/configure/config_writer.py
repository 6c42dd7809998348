"""From flags to a config file."""

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlmt_jax.config import parse_config
from mlmt_jax.configure.arrangement import build_config
from mlmt_jax.configure.flags import build_parser
from mlmt_jax.configure.sources import read_sources
from mlmt_jax.errors import ConfigError
from mlmt_jax.runs.atomic_files import replace_text

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the config file and says how to train it.

    Raises:
        InputError: unusable files or flags, or a file in the way.
    """
    args = build_parser().parse_args(argv)
    output = Path(args.output)
    if not output.name:
        raise ConfigError(f"--output: got {args.output!r}; expected the name of a file")
    sources = read_sources(args)
    for source in sources:
        for path in source.files.values():
            if output.exists() and output.samefile(path):
                raise ConfigError(f"--output {output}: is one of the data files; expected another name")
    data = build_config(args, sources, output.parent)
    parse_config(data, source=str(output))
    _write(output, data, force=args.force)
    print(f"Wrote {output}:")
    for source in sources:
        print(f"  {source}")
    print("Look for mistakes in the files, then train it, with:")
    for command in ("check", "train"):
        print(f"  python -m mlmt_jax.{command} {shlex.quote(str(output))}")


def _write(output: Path, data: dict[str, Any], *, force: bool) -> None:
    if not force and os.path.lexists(output):
        raise ConfigError(f"{output}: exists already; expected --force or another --output")
    try:
        replace_text(output, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise ConfigError(f"{output}: cannot be written: {error.strerror}") from None
