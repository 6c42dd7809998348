"""Overrides of config values by the command line, such as ``training.max_step=200``."""

import json
import re
from typing import Any, NamedTuple

from mlmt_jax.config.problems import JsonPath, format_path, quoted
from mlmt_jax.errors import ConfigError


class Override(NamedTuple):
    """A value and the place in the config that it replaces."""

    text: str  # the argument of --set
    path: JsonPath
    value: Any  # JSON value


def parse_override(text: str) -> Override:
    """Parse ``path=value``.

    Args:
        text: a path whose indices are written ``.0`` or ``[0]``, and a value in JSON; a value that is not
            JSON is a string.

    Raises:
        ConfigError: there is no "=", or no path before it.
    """
    key, equals, value = text.partition("=")
    parts = re.findall(r"[^.\[\]]+", key.strip())
    if not equals or not parts:
        raise ConfigError(f"--set {text}: expected PATH=VALUE, such as training.max_step=200")
    # No list has an index of more than 18 digits, and Python refuses to parse thousands of digits.
    path = tuple(int(part) if part.isdecimal() and len(part) <= 18 else part for part in parts)
    try:
        return Override(text, path, json.loads(value))
    except (ValueError, RecursionError):
        return Override(text, path, value)


def apply_override(data: Any, override: Override) -> None:
    """Set the value in a config's JSON values, in place; missing objects on the path are added.

    Unknown keys are not checked here.

    Raises:
        ConfigError: the path leads through a value that is neither object nor list, or beyond a list's end.
    """
    *parents, last = override.path
    for depth, key in enumerate(parents):
        _check_place(data, override, depth)
        data = data.setdefault(str(key), {}) if isinstance(data, dict) else data[key]
    _check_place(data, override, len(parents))
    data[last if isinstance(data, list) else str(last)] = override.value


def _check_place(parent: Any, override: Override, depth: int) -> None:
    """Raise ``ConfigError`` if ``parent`` cannot have the key at index ``depth`` of the override's path."""
    key = override.path[depth]
    prefix = f"--set {override.text}: {format_path(override.path[:depth]) or 'the file'}"
    if isinstance(parent, list):
        if not isinstance(key, int) or key >= len(parent):
            entries = f"0 to {len(parent) - 1}" if parent else "none"
            raise ConfigError(f"{prefix} has no entry {quoted(key)}; known: {entries}")
    elif not isinstance(parent, dict):
        raise ConfigError(f"{prefix} is {quoted(parent)}, which has no entry {quoted(key)}")
