"""Rules of language that a program can check: names are nouns of the domain, docstrings begin with a verb."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Pronouns and participles: they do not say what a variable holds.
VAGUE = frozenset(
    [
        "ahead",
        "asked",
        "beside",
        "found",
        "given",
        "had",
        "here",
        "mine",
        "one",
        "ones",
        "ours",
        "own",
        "shown",
        "taken",
        "that",
        "theirs",
        "there",
        "those",
        "told",
        "wanted",
        "what",
        "whose",
        "wrong",
    ]
)
# A docstring that begins so is a clause, not an instruction.
CLAUSES = frozenset({"What", "Where", "Whether", "Those", "Of", "How", "That", "Has", "Is", "Are"})


def sources() -> list[Path]:
    """List the Python files of the repository."""
    folders = ("mlmt_jax", "tests", "bench", "configs")
    return [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]


def assigned_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of every variable, attribute and parameter that a file assigns."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg


def test_the_files_are_there() -> None:
    assert len(sources()) > 100


def test_names_are_nouns() -> None:
    vague = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in sources()
        for line, name in assigned_names(ast.parse(file.read_text("utf-8")))
        if name.strip("_") in VAGUE
    ]
    assert not vague, "\n".join(vague)


def test_docstrings_are_no_clauses() -> None:
    clauses = [
        f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}: {text.split()[0]}"
        for file in sources()
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module)
        and (text := ast.get_docstring(node))
        and text.split()[0].rstrip(",:.") in CLAUSES
    ]
    assert not clauses, "\n".join(clauses)
