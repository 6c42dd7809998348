"""All messages of the package, from its sources; `python tests/support/messages.py` prints the list."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parents[2] / "mlmt_jax"
#: Functions and classes whose arguments are messages for users.
_SPEAKERS = (
    "note",
    "refuse",
    "Problem",
    "Finding",
    "ArgumentTypeError",
    "PydanticCustomError",
    "invalid_value",
)


class Message(NamedTuple):
    """A message, with `{...}` in place of what is filled in."""

    place: str  # "file:line"
    text: str


def messages() -> list[Message]:
    """Return the texts of errors, warnings and findings, each once, in the order of files and lines."""
    collected: dict[str, Message] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        for function in sorted(functions, key=lambda node: node.lineno):
            variables = _texts_of_variables(function)
            for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
                name = getattr(call.func, "attr", getattr(call.func, "id", ""))
                if name in _SPEAKERS or name.endswith("Error"):
                    place = f"{path.relative_to(PACKAGE.parent)}:{call.lineno}"
                    for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
                        for text in _texts(argument, variables):
                            if " " in text.strip():
                                collected.setdefault(text, Message(place, text))
    return list(collected.values())


def _texts_of_variables(tree: ast.AST) -> dict[str, list[ast.expr]]:
    """Return what is assigned to each name of a function."""
    values: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            values.setdefault(node.targets[0].id, []).append(node.value)
    return values


def _texts(node: ast.expr, variables: dict[str, list[ast.expr]]) -> Iterator[str]:
    """Yield the texts that an expression may have."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(p.value if isinstance(p, ast.Constant) else "{...}" for p in parts)  # type: ignore[misc]
        case ast.BinOp(left=left, right=right):
            yield from (a + b for a in _texts(left, variables) for b in _texts(right, variables))
        case ast.IfExp(body=body, orelse=other):
            yield from _texts(body, variables)
            yield from _texts(other, variables)
        case ast.Name(id=name):
            for value in variables.get(name, []):
                if not isinstance(value, ast.Name):
                    yield from _texts(value, variables)


if __name__ == "__main__":
    for message in messages():
        print(f"{message.place}: {message.text!r}")
