"""The reference of the config file, from the models: a JSON Schema and Markdown tables."""

from typing import Any

from mlmt_jax.config.blocks import BLOCKS, Config
from mlmt_jax.config.problems import quoted

__all__ = ["json_schema", "markdown_reference"]

_MAX_LISTED = 8  # choices that a cell lists; more are left to the field's description


def json_schema() -> dict[str, Any]:
    """The schema of the whole file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}


def markdown_reference() -> str:
    """One table a block: key, type, default and meaning of every field."""
    return "\n\n".join(_table(path) for path in BLOCKS) + "\n"


def _table(path: tuple[str, ...]) -> str:
    schema = BLOCKS[path].model_json_schema()
    required = schema.get("required", ())
    rows = [
        (f"`{key}`", _type(field), _default(key, field, required), field["description"])
        for key, field in schema["properties"].items()
    ]
    # A bar inside a cell would end it.
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    head = ["| key | type | default | meaning |", "|---|---|---|---|"]
    summary = schema["description"].split("\n\n")[0]
    return "\n".join([f"### {_heading(path)}", "", summary, "", *head, *lines])


def _heading(path: tuple[str, ...]) -> str:
    match path:
        case ():
            return "The file"
        case ("components", kind):
            return f'`components[]` with `"model": "{kind}"`'
        case ("training",):
            return "`training`"
    return f"`{'.'.join([f'{path[0]}[]', *path[1:]])}`"


def _default(key: str, field: dict[str, Any], required: list[str]) -> str:
    if key in required:
        return "required"
    default = field.get("default")
    return "see its table" if isinstance(default, dict) else f"`{quoted(default)}`"


def _type(field: dict[str, Any]) -> str:
    """What a field takes, in words, from its JSON Schema."""
    match field:
        case {"$ref": _} | {"oneOf": _}:
            return "object"
        case {"anyOf": members}:
            return " or ".join(_type(member) for member in members)
        case {"const": value}:
            return f"`{quoted(value)}`"
        case {"enum": values} if len(values) <= _MAX_LISTED:
            return " or ".join(f"`{quoted(value)}`" for value in values)
        case {"prefixItems": pair}:
            return f"[{', '.join(_type(item) for item in pair)}]"
        case {"items": item}:
            return f"list of {_type(item)}"
        case {"type": "boolean"}:
            return "true or false"
    return field["type"] + _range(field)


def _range(field: dict[str, Any]) -> str:
    """Bounds in words: ``from 1``, ``> 0``, ``in [0, 1)``."""
    low, above = field.get("minimum"), field.get("exclusiveMinimum")
    high, below = field.get("maximum"), field.get("exclusiveMaximum")
    if low is None and above is None:
        return ""
    if high is None and below is None:
        return f" from {low}" if above is None else f" > {above}"
    start = f"[{low}" if above is None else f"({above}"
    return f" in {start}, {high}]" if below is None else f" in {start}, {below})"
