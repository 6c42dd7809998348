"""The reference of the config file, generated from its models: a JSON Schema and Markdown tables.

A test compares the tables with the ones in ``configs/REFERENCE.md``.
"""

from typing import Any

from mlmt_jax.config.blocks import BLOCKS, Config
from mlmt_jax.config.problems import quoted
from mlmt_jax.config.recipes import RECIPES

_MAX_LISTED = 8  # choices in a cell; the description of a field with more choices names their source


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the config file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}


def markdown_reference() -> str:
    """Return the table of recipes, and one for each block with all that a field is described by."""
    return "\n\n".join([_recipe_table(), *map(_table, BLOCKS)]) + "\n"


def _recipe_table() -> str:
    """Return the section of recipes: the keys whose default they change, and why."""
    lines = [
        "### Recipes",
        "",
        "`lin2018` has the defaults of the tables below, `lowres-1` these. Gains are of test F1",
    ]
    lines += ["with 200 sentences, four tasks unless told otherwise ([measured](../bench/README.md)).", ""]
    lines += ["| block | key | value | why |", "|---|---|---|---|"]
    for choice in RECIPES["lowres-1"]:
        block = f"`{_heading(choice.block).replace('`', '')}`"
        lines.append(f"| {block} | `{choice.key}` | `{quoted(choice.value)}` | {choice.reason} |")
    return "\n".join(lines)


def _table(path: tuple[str, ...]) -> str:
    """Return the section of one block: heading, summary, table."""
    schema = BLOCKS[path].model_json_schema()
    required = schema.get("required", ())
    lines = [f"### {_heading(path)}", "", schema["description"].split("\n\n")[0], ""]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, field in schema["properties"].items():
        default = "required" if key in required else _default(field["default"])
        # An unescaped bar ends a cell.
        cells = [cell.replace("|", "\\|") for cell in (_type(field), default, field["description"])]
        lines.append(f"| `{key}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _heading(path: tuple[str, ...]) -> str:
    if not path:
        return "The file"
    if path[0] == "components":
        return f'`components[]` with `"model": "{path[1]}"`'
    block = path[0] if path[0] == "training" else f"{path[0]}[]"
    return f"`{'.'.join([block, *path[1:]])}`"


def _default(value: Any) -> str:
    return "see its table" if isinstance(value, dict) else f"`{quoted(value)}`"


def _type(field: dict[str, Any]) -> str:
    """Return the type of a field in words, from its JSON Schema."""
    match field:
        case {"$ref": _} | {"oneOf": _}:
            return "object"
        case {"anyOf": members}:
            return " or ".join(_type(member) for member in members)
        case {"const": value}:
            return f"`{quoted(value)}`"
        case {"enum": values} if len(values) <= _MAX_LISTED:
            return " or ".join(f"`{quoted(value)}`" for value in values)
        case {"prefixItems": items}:
            return f"[{', '.join(_type(item) for item in items)}]"
        case {"items": item}:
            return f"list of {_type(item)}"
        case {"type": "boolean"}:
            return "true or false"
    return field["type"] + _range(field)


def _range(field: dict[str, Any]) -> str:
    """Return the bounds of a number in words: ``" from 1"``, ``" > 0"``, ``" in [0, 1)"``, or ``""``."""
    low, above = field.get("minimum"), field.get("exclusiveMinimum")
    high, below = field.get("maximum"), field.get("exclusiveMaximum")
    if low is None and above is None:
        return ""
    if high is None and below is None:
        return f" from {low}" if above is None else f" > {above}"
    start = f"[{low}" if above is None else f"({above}"
    return f" in {start}, {high}]" if below is None else f" in {start}, {below})"
