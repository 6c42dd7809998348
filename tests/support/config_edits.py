"""Configs as JSON values, changed in one place."""

import copy
from typing import Any

GONE = object()  # a key to take out


def edited(data: dict[str, Any], edits: dict[str, Any]) -> dict[str, Any]:
    """A copy with the values at dotted paths replaced; "+" is the place after a list's end."""
    data = copy.deepcopy(data)
    for path, value in edits.items():
        *parents, last = path.split(".")
        place: Any = data
        for key in parents:
            place = place[int(key)] if isinstance(place, list) else place[key]
        if last == "+":
            place.append(value)
        elif value is GONE:
            del place[int(last) if isinstance(place, list) else last]
        else:
            place[int(last) if isinstance(place, list) else last] = value
    return data


def leaves(value: Any, path: str = "") -> dict[str, str]:
    """Every value that is no object, by its dotted path: how the path is written in messages."""
    found: dict[str, str] = {}
    if isinstance(value, dict):
        for key, child in value.items():
            found |= leaves(child, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for i, child in enumerate(value):
            found |= leaves(child, f"{path}.{i}")
    else:
        parts = path.split(".")
        text = "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in parts)
        found[path] = text.removeprefix(".")
    return found
