"""Rules of language that a program can check: names are nouns of the domain, docstrings begin with a verb."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: Pronouns and participles: they do not say what a variable holds.
VAGUE = {
    *(
        "ahead",
        "asked",
        "beside",
        "found",
        "given",
        "had",
        "here",
        "shown",
        "taken",
        "told",
        "wanted",
        "wrong",
    ),
    *("mine", "one", "ones", "ours", "own", "that", "theirs", "there", "those", "what", "whose"),
}
#: A docstring that begins with one of these is a clause, not an instruction.
CLAUSES = {"What", "Where", "Whether", "Those", "Of", "How", "That", "Has", "Is", "Are"}


def syntax_trees() -> dict[str, ast.AST]:
    """Parse the Python files of the repository; return their syntax trees by path."""
    folders = ("mlmt_jax", "tests", "bench", "configs")
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    return {str(file.relative_to(ROOT)): ast.parse(file.read_text("utf-8")) for file in files}


def vague_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of each assigned variable, attribute and parameter with a vague name."""
    for node in ast.walk(tree):
        name = ""
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            name = node.attr
        elif isinstance(node, ast.arg):
            name = node.arg
        if name.strip("_") in VAGUE:
            yield getattr(node, "lineno", 1), name


def clauses(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and first word of each docstring that begins as a clause."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            word = (ast.get_docstring(node) or "-").split()[0].rstrip(",:.")
            if word in CLAUSES:
                yield getattr(node, "lineno", 1), word


def test_all_files_are_checked() -> None:
    assert len(syntax_trees()) > 100


def test_names_are_nouns() -> None:
    violations = [
        f"{path}:{line}: {name}" for path, tree in syntax_trees().items() for line, name in vague_names(tree)
    ]
    assert not violations, "\n".join(violations)


def test_docstrings_are_no_clauses() -> None:
    violations = [
        f"{path}:{line}: {word}" for path, tree in syntax_trees().items() for line, word in clauses(tree)
    ]
    assert not violations, "\n".join(violations)


def test_vague_names_are_detected() -> None:
    source = (
        "def f(told, x):\n    own = x.found\n    x._given = told\n    for one, two in x:\n        one.two()\n"
    )
    assert sorted(vague_names(ast.parse(source))) == [(1, "told"), (2, "own"), (3, "_given"), (4, "one")]


def test_clauses_are_detected() -> None:
    source = '"""What a module is."""\nclass C:\n    """A class."""\ndef f():\n    """Whether, or not."""\n'
    assert sorted(clauses(ast.parse(source))) == [(1, "What"), (4, "Whether")]
