"""What is wrong with a config, each with its JSON path, and how it is said in one line."""

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mlmt_jax.config.blocks import BLOCKS
from mlmt_jax.config.components import KINDS

__all__ = ["JsonPath", "Problem", "field_problems", "format_path", "quoted", "suggestion"]

JsonPath = tuple[str | int, ...]

# Control characters, line ends and halves of characters that JSON leaves as they are.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Problem(NamedTuple):
    """One thing that is wrong."""

    path: JsonPath  # where, as keys and indices from the top; () is the whole file
    message: str  # what was found and what was expected
    unknown_key: bool = False


def format_path(path: JsonPath) -> str:
    """A path as people write it: ``tasks[2].model.spec_layer``."""
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
    """A value as JSON has it, cut to one short line; what no terminal should get is escaped."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        text = "..."
    text = _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def suggestion(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or all of them."""
    known = list(dict.fromkeys(known))
    by_lower_case = {candidate.lower(): candidate for candidate in reversed(known)}
    near = difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.5)
    if near:
        return f"did you mean {quoted(by_lower_case[near[0]])}?"
    return f"known: {', '.join(map(quoted, known)) or 'none'}"


def field_problems(error: ValidationError) -> list[Problem]:
    """What pydantic found, unknown keys first: a misspelt key is why another one is missing."""
    details = [detail for detail in error.errors(include_url=False) if not _is_echo(detail)]
    return sorted(map(_field_problem, details), key=lambda problem: not problem.unknown_key)


def _is_echo(detail: ErrorDetails) -> bool:
    # A list whose entries are refused is also reported as having none.
    return detail["type"] == "too_short" and len(detail["input"]) >= detail.get("ctx", {})["min_length"]


def _field_problem(detail: ErrorDetails) -> Problem:
    loc, kind, found = detail["loc"], detail["type"], detail["input"]
    # pydantic names the kind of a component between its index and its keys; the file has no such level.
    path = loc[:2] + loc[3:] if loc[:1] == ("components",) else loc
    match kind:
        case "extra_forbidden":
            known = _keys(loc[:-1])
            return Problem(path, f"unknown key; {suggestion(str(loc[-1]), known)}", unknown_key=True)
        case "missing" if isinstance(loc[-1], int):
            return Problem(path[:-1], _got(found, "a pair [width, number]"))
        case "missing":
            return Problem(path, "missing, and it has no default")
        case "union_tag_not_found":
            return Problem((*path, "model"), f"missing; expected one of {_listed(KINDS)}")
        case "union_tag_invalid":
            return Problem((*path, "model"), _not_one_of(found["model"], list(KINDS)))
        case "literal_error":
            return Problem(path, _not_one_of(found, _literals(detail)))
    return Problem(path, _got(found, _expected(detail)))


def _got(found: object, expected: str) -> str:
    return f"got {quoted(found)}; expected {expected}"


def _not_one_of(found: object, choices: Sequence[str]) -> str:
    near = suggestion(found, choices) if isinstance(found, str) else ""
    message = _got(found, _one_of(choices))
    return f"{message}; {near}" if near.startswith("did you mean") else message


def _one_of(choices: Sequence[str]) -> str:
    return quoted(choices[0]) if len(choices) == 1 else f"one of {_listed(choices)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, names))


def _literals(detail: ErrorDetails) -> list[str]:
    return re.findall(r"'([^']*)'", detail.get("ctx", {})["expected"])


def _keys(loc: JsonPath) -> list[str]:
    block = BLOCKS[tuple(part for part in loc if isinstance(part, str))]
    return [field.alias or name for name, field in block.model_fields.items()]


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
    "greater_than": "a number > {gt}",
    "greater_than_equal": "a number >= {ge}",
    "less_than": "a number < {lt}",
    "less_than_equal": "a number <= {le}",
    "too_short": "a list that is not empty",
    "too_long": "a pair [width, number]",
}


_BOUNDS = ("gt", "ge", "lt", "le")


def _expected(detail: ErrorDetails) -> str:
    template = _EXPECTED.get(detail["type"])
    if template is None:
        # The fields' own validators raise errors whose message is what was expected.
        return detail["msg"]
    context = detail.get("ctx", {})
    return template.format(**{bound: f"{context[bound]:.10g}" for bound in _BOUNDS if bound in context})
