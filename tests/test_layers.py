"""The layers of the package: each file imports only lower layers, and importing loads no more than needed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mlmt_jax"

#: The units of each layer, the lowest first. A file imports only units of lower layers, and its own unit.
LAYERS = (
    {"errors", "types", "crf", "metrics"},
    {"config", "text"},
    {"corpus"},
    {"batches", "model"},
    {"runs"},
    {"training", "exported"},
    {"tagger"},
    {"check", "configure", "convert", "tag_files", "cli"},
    {"train", "evaluate", "predict", "export"},
)
COMMANDS = len(LAYERS) - 1  # the layer of every `__main__.py`
LAYER_OF = {unit: layer for layer, units in enumerate(LAYERS) for unit in units}
# The only parts that may import a library.
OWNERS = {
    "jax": {"types", "crf", "model", "runs", "training", "tagger", "exported"},
    "flax": {"crf", "model", "runs"},
    "optax": {"training"},
    "orbax": {"runs"},
    "tqdm": {"training"},
    "torch": {"convert"},
    "pydantic": {"config"},
}
LONGEST = 350


class Import(NamedTuple):
    """An import statement of a file."""

    file: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"


def imports(file: Path) -> Iterator[Import]:
    """Yield all imports of a file, also those within functions and for type checkers."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Import(file, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: a relative import"
            module = node.module or ""
            if module == "mlmt_jax":
                yield from (Import(file, node.lineno, f"{module}.{alias.name}") for alias in node.names)
            else:
                yield Import(file, node.lineno, module)


def unit_of(file: Path) -> str:
    """Return the unit that a file belongs to: a subpackage, or a module of the package."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def sources() -> dict[Path, str]:
    """Return the unit of each file. The package's `__init__.py`, which loads the taggers lazily, has none."""
    return {file: unit_of(file) for file in sorted(PACKAGE.rglob("*.py")) if file != PACKAGE / "__init__.py"}


def layer_of(file: Path) -> int:
    return COMMANDS if file.name == "__main__.py" else LAYER_OF[unit_of(file)]


def imported_unit(statement: Import) -> str | None:
    """Return the unit of the package that is imported, if there is one."""
    package, _, rest = statement.module.partition(".")
    return rest.split(".")[0] if package == "mlmt_jax" else None


def test_the_table_is_complete() -> None:
    assert set(sources().values()) == set(LAYER_OF)


def test_a_layer_imports_only_lower_layers() -> None:
    violations = [
        str(statement)
        for file, unit in sources().items()
        for statement in imports(file)
        if (imported := imported_unit(statement)) not in (None, unit) and LAYER_OF[imported] >= layer_of(file)
    ]
    assert not violations


def test_the_crf_imports_nothing_of_the_package() -> None:
    files = [file for file, unit in sources().items() if unit == "crf"]
    assert files
    assert {imported_unit(statement) for file in files for statement in imports(file)} <= {None, "crf"}


def test_libraries_are_imported_only_by_their_owners() -> None:
    violations = [
        str(statement)
        for file, unit in sources().items()
        for statement in imports(file)
        if unit not in OWNERS.get(statement.module.split(".")[0], {unit})
    ]
    assert not violations


def test_no_file_is_long_or_has_a_vague_name() -> None:
    files = [
        file for folder in ("mlmt_jax", "tests", "bench", "configs") for file in (ROOT / folder).rglob("*.py")
    ]
    assert len(files) > 40
    lengths = {str(file.relative_to(ROOT)): len(file.read_text("utf-8").splitlines()) for file in files}
    assert not {file: length for file, length in lengths.items() if length > LONGEST}
    assert not [
        file for file in lengths if Path(file).name in ("utils.py", "helpers.py", "misc.py", "common.py")
    ]


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import mlmt_jax", ["jax", "numpy", "pydantic"]),
        ("import mlmt_jax.config, mlmt_jax.cli.entry", ["jax", "flax", "optax", "orbax"]),
        (
            "import mlmt_jax.corpus.corpora, mlmt_jax.metrics, mlmt_jax.configure",
            ["jax", "flax", "optax", "orbax"],
        ),
        ("import mlmt_jax.check.__main__", ["jax", "flax", "optax", "orbax"]),
        (
            "import mlmt_jax.train, mlmt_jax.evaluate, mlmt_jax.predict, mlmt_jax.export",
            ["jax", "flax", "optax", "orbax"],
        ),
        ("import mlmt_jax.exported", ["flax", "optax", "orbax", "mlmt_jax.model", "mlmt_jax.training"]),
        ("import mlmt_jax.convert", ["jax", "flax", "optax", "orbax", "torch"]),
    ],
)
def test_importing_does_not_load(statement: str, absent: list[str]) -> None:
    code = f"{statement}\nimport sys\nprint(*sorted(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = result.stdout.split()
    assert not set(absent) & set(loaded)


def test_the_crf_loads_nothing_of_the_package_but_itself() -> None:
    code = "import sys, mlmt_jax.crf\nprint(*(name for name in sys.modules if name.startswith('mlmt_jax')))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    others = [name for name in result.stdout.split() if not name.startswith("mlmt_jax.crf")]
    assert others == ["mlmt_jax"]
    assert "mlmt_jax.crf.inference" in result.stdout
