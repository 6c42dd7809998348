"""The problems of a config, each with its JSON path and a message of one line."""

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mlmt_jax.config.blocks import BLOCKS
from mlmt_jax.config.components import KINDS

JsonPath = tuple[str | int, ...]

# Control characters, line separators and lone surrogates, which json.dumps does not escape.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# What pydantic's error types expect, in the words of JSON.
_EXPECTED = {
    "int_type": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a string",
    "string_unicode": "a string of valid Unicode",
    "string_too_short": "a string that is not empty",
    "string_pattern_mismatch": 'a name that is not empty and has no "/", control character or line separator',
    "path_type": "a string",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "greater_than": "a number > {gt:.10g}",
    "greater_than_equal": "a number >= {ge:.10g}",
    "less_than": "a number < {lt:.10g}",
    "less_than_equal": "a number <= {le:.10g}",
    "multiple_of": "a multiple of {multiple_of:.10g}",
    "too_short": "a list that is not empty",
    "too_long": "a pair [width, number]",
}


class Problem(NamedTuple):
    """A reason to refuse a config."""

    path: JsonPath  # keys and indices from the top; () is the whole file
    message: str  # the problem, the value in the config and the expected one
    is_unknown_key: bool = False


def format_path(path: JsonPath) -> str:
    """Return a JSON path as text, such as ``tasks[2].model.spec_layer``; the empty path gives ``""``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w$-]{1,60}", part):
            text += f".{part}" if text else part
        else:
            text += f"[{quoted(part)}]"
    return text


def quoted(value: object, limit: int = 60) -> str:
    """Return a value as one line of JSON, cut to ``limit`` characters; unprintable characters are escaped."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        text = "..."
    text = _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def invalid_value(value: object, expected: str) -> str:
    """Return the message that refuses ``value``; ``expected`` describes a valid one."""
    return f"invalid value (got {quoted(value)}, expected {expected})"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known name, or else all known names."""
    known = list(dict.fromkeys(known))
    by_lower_case = {candidate.lower(): candidate for candidate in reversed(known)}
    nearest = difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.5)
    if nearest:
        return f"did you mean {quoted(by_lower_case[nearest[0]])}?"
    return f"known: {_listed(known) or 'none'}"


def field_problems(error: ValidationError) -> list[Problem]:
    """Return the problems that pydantic reports.

    Unknown keys come first, because a misspelt key is the reason why a required one is missing.
    """
    problems = [_field_problem(detail) for detail in error.errors(include_url=False) if not _is_echo(detail)]
    return sorted(problems, key=lambda problem: not problem.is_unknown_key)


def _is_echo(detail: ErrorDetails) -> bool:
    """Return True if an error only repeats others: pydantic calls a list of refused entries too short."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail.get("ctx", {})["min_length"]


def _field_problem(detail: ErrorDetails) -> Problem:
    """Translate an error of pydantic: its location into a path of the file, its type into a message."""
    location, value, context = detail["loc"], detail["input"], detail.get("ctx", {})
    # pydantic inserts the kind of a component between its index and its keys; the file has no such level.
    path = location[:2] + location[3:] if location[0:1] == ("components",) else location
    match detail["type"]:
        case "extra_forbidden":
            block = BLOCKS[tuple(part for part in location[:-1] if isinstance(part, str))]
            keys = [field.alias or name for name, field in block.model_fields.items()]
            return Problem(path, f"unknown key; {suggestion(str(path[-1]), keys)}", is_unknown_key=True)
        case "missing" if isinstance(location[-1], int):
            return Problem(path[:-1], invalid_value(value, "a pair [width, number]"))
        case "missing":
            return Problem(path, "required key is missing")
        case "union_tag_not_found":
            return Problem((*path, "model"), f"required key is missing (expected one of {_listed(KINDS)})")
        case "union_tag_invalid":
            return Problem((*path, "model"), _invalid_choice(value["model"], list(KINDS)))
        case "literal_error":
            return Problem(path, _invalid_choice(value, re.findall(r"'([^']*)'", context["expected"])))
        case error_type if error_type in _EXPECTED:
            return Problem(path, invalid_value(value, _EXPECTED[error_type].format_map(context)))
    # The message of an error that a field's own validator raises is the description of a valid value.
    return Problem(path, invalid_value(value, detail["msg"]))


def _invalid_choice(value: object, choices: Sequence[str]) -> str:
    """Return the message that refuses ``value``, with the valid choices and, if there is one, the nearest."""
    message = invalid_value(value, f"one of {_listed(choices)}" if len(choices) > 1 else quoted(choices[0]))
    hint = suggestion(value, choices) if isinstance(value, str) else ""
    return f"{message}; {hint}" if hint.startswith("did you mean") else message


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, names))
