"""Overrides from the command line: ``training.max_step=200``, ``tasks.0.learning_rate=0.01``."""

import json
import re
from typing import Any, NamedTuple

from mlmt_jax.config.problems import JsonPath, format_path, quoted
from mlmt_jax.errors import ConfigError

__all__ = ["Override", "parse_override", "put"]


class Override(NamedTuple):
    """One value for one place."""

    text: str  # as typed
    path: JsonPath
    value: Any


def parse_override(text: str) -> Override:
    """Reads ``path=value``. The value is JSON, or else a string; indices stand as ``.0`` or ``[0]``.

    Raises:
        ConfigError: no "=" or no path before it.
    """
    key, equals, value = text.partition("=")
    parts = re.findall(r"[^.\[\]]+", key.strip())
    if not equals or not parts:
        raise ConfigError(f"--set {text}: expected PATH=VALUE, such as training.max_step=200")
    # No list has more entries than 18 digits count, and Python makes no integers of thousands of digits.
    path = tuple(int(part) if part.isdecimal() and len(part) <= 18 else part for part in parts)
    return Override(text, path, _json_or_text(value))


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def put(data: Any, override: Override) -> None:
    """Sets the value in the config as read, in place. Objects that are not there yet are added.

    Unknown keys are left to the validation of the whole.

    Raises:
        ConfigError: the path goes through something that is no object, or beyond the end of a list.
    """
    *parents, last = override.path
    for depth, key in enumerate(parents):
        _require_place(data, override, depth)
        data = data.setdefault(str(key), {}) if isinstance(data, dict) else data[key]
    _require_place(data, override, len(parents))
    data[last if isinstance(data, list) else str(last)] = override.value


def _require_place(data: Any, override: Override, depth: int) -> None:
    key = override.path[depth]
    source = f"--set {override.text}"
    here = format_path(override.path[:depth]) or "the file"
    if isinstance(data, list):
        if not isinstance(key, int) or key >= len(data):
            entries = f"0 to {len(data) - 1}" if data else "none"
            raise ConfigError(f"{source}: {here} has no entry {quoted(key)}; known: {entries}")
    elif not isinstance(data, dict):
        raise ConfigError(f"{source}: {here} is {quoted(data)}, which has no entry {quoted(key)}")
