"""``mlmt config``: print the JSON Schema of the config file, or its reference as Markdown."""

import json
from collections.abc import Sequence

from mlmt_jax.cli.arguments import make_parser
from mlmt_jax.cli.entry import run
from mlmt_jax.config.reference import json_schema, markdown_reference


def main(argv: Sequence[str] | None = None) -> None:
    """Print the JSON Schema, or with ``--reference`` the Markdown tables."""
    parser = make_parser(
        "config", "Print the JSON Schema of the config file, or its reference as Markdown.", "--reference"
    )
    text = "print the Markdown tables of configs/REFERENCE.md"
    parser.add_argument("--reference", action="store_true", help=text)
    if parser.parse_args(argv).reference:
        print(markdown_reference(), end="")
    else:
        print(json.dumps(json_schema(), indent=2))


if __name__ == "__main__":
    run(main)
