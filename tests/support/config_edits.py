"""Edits of a config's JSON values at dotted paths such as ``tasks.0.model.lstm``."""

import copy
from collections.abc import Callable
from typing import Any

#: Edits by dotted path -> the message that refuses the edited config.
Refusal = Callable[[dict[str, Any]], str]

GONE = object()  # deletes a key


def edited(data: dict[str, Any], edits: dict[str, Any]) -> dict[str, Any]:
    """Return a copy with the values at dotted paths replaced; the key "+" appends to a list."""
    data = copy.deepcopy(data)
    for path, value in edits.items():
        *parents, last = path.split(".")
        parent: Any = data
        for key in parents:
            parent = parent[int(key) if isinstance(parent, list) else key]
        if last == "+":
            parent.append(value)
            continue
        key: Any = int(last) if isinstance(parent, list) else last
        if value is GONE:
            del parent[key]
        else:
            parent[key] = value
    return data


def leaves(value: Any, path: str = "") -> dict[str, str]:
    """Return the path of every value that is no object: dotted -> as in messages (``tasks[0].model``)."""
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        children = enumerate(value)
    else:
        parts = path.split(".")
        text = "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in parts)
        return {path: text.removeprefix(".")}
    paths: dict[str, str] = {}
    for key, child in children:
        paths |= leaves(child, f"{path}.{key}" if path else f"{key}")
    return paths
