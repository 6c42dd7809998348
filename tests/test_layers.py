"""What may import what, read from the sources; and what importing costs."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mlmt_jax"

#: What each layer holds, the lowest first. A file imports only units of lower layers, and its own unit.
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
COMMANDS = len(LAYERS) - 1  # the layer of every ``__main__``
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
    file: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"


def imports(file: Path) -> Iterator[Import]:
    """All imports of a file, those within functions and for type checkers as well."""
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
    """The part of the package that a file belongs to: its subpackage, or the module itself."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def sources() -> dict[Path, str]:
    # The package's own __init__ names the tagger, and loads it when it is asked for.
    return {file: unit_of(file) for file in sorted(PACKAGE.rglob("*.py")) if file != PACKAGE / "__init__.py"}


def layer_of(file: Path) -> int:
    return COMMANDS if file.name == "__main__.py" else LAYER_OF[unit_of(file)]


def inner(one: Import) -> str | None:
    """The part of the package that is imported, if one is."""
    package, _, rest = one.module.partition(".")
    return rest.split(".")[0] if package == "mlmt_jax" else None


def test_the_table_is_complete() -> None:
    assert set(sources().values()) == set(LAYER_OF)


def test_a_layer_imports_only_lower_layers() -> None:
    wrong = [
        str(statement)
        for file, unit in sources().items()
        for statement in imports(file)
        if (other := inner(statement)) not in (None, unit) and LAYER_OF[other] >= layer_of(file)
    ]
    assert not wrong


def test_the_crf_imports_nothing_of_the_package() -> None:
    files = [file for file, unit in sources().items() if unit == "crf"]
    assert files
    assert {inner(statement) for file in files for statement in imports(file)} <= {None, "crf"}


def test_libraries_have_their_places() -> None:
    wrong = [
        str(one)
        for file, unit in sources().items()
        for one in imports(file)
        if unit not in OWNERS.get(one.module.split(".")[0], {unit})
    ]
    assert not wrong


def test_no_file_is_long_and_none_is_a_drawer() -> None:
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
def test_what_importing_does_not_load(statement: str, absent: list[str]) -> None:
    code = f"{statement}\nimport sys\nprint(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert not set(absent) & set(loaded)


def test_the_crf_loads_nothing_of_the_package_but_itself() -> None:
    code = "import sys, mlmt_jax.crf\nprint(*(name for name in sys.modules if name.startswith('mlmt_jax')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    others = [name for name in done.stdout.split() if not name.startswith("mlmt_jax.crf")]
    assert others == ["mlmt_jax"]
    assert "mlmt_jax.crf.inference" in done.stdout
