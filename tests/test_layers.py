"""The layers of the package, the places of its files and of their tests, and the cost of imports."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mlmt_jax"

#: The units of each layer, lowest first. A file imports only its own unit and units of lower layers.
LAYERS = (
    {"errors", "types", "crf", "metrics"},
    {"config", "text"},
    {"corpus"},
    {"batches", "model"},
    {"runs"},
    {"training", "exported"},
    {"tagger"},
    {"cli"},
    {"check", "configure", "convert", "tag_files", "results"},
    {"train", "evaluate", "predict", "export", "pack", "fitting"},
    {"mlmt"},
    {"__main__"},
)
COMMANDS = len(LAYERS) - 1  # the layer of every `__main__`
LAYER_OF = {unit: layer for layer, units in enumerate(LAYERS) for unit in units}
#: The only units that may import a library.
OWNERS = {
    "jax": {"types", "crf", "model", "runs", "training", "tagger", "exported"},
    "flax": {"crf", "model", "runs"},
    "optax": {"training"},
    "orbax": {"runs"},
    "tqdm": {"training"},
    "torch": {"convert"},
    "tensorboardX": {"training"},
    "pydantic": {"config"},
}
MAX_LINES = 350
VAGUE_FILES = ("utils.py", "helpers.py", "misc.py", "common.py")
#: Test files about the repository as a whole, not about one module.
REPOSITORY_TESTS = {
    "test_messages",
    *("test_layers", "test_language", "test_package", "test_readme_code", "test_readme_links"),
    *("fuzz/test_fuzzed_files", "fuzz/test_fuzzed_runs", "fuzz/test_hostile"),
}


class Import(NamedTuple):
    """One import statement."""

    file: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"

    @property
    def unit(self) -> str | None:
        """The imported unit of the package; None for other libraries."""
        package, _, rest = self.module.partition(".")
        return rest.split(".")[0] if package == "mlmt_jax" else None


def imports(file: Path) -> Iterator[Import]:
    """Yield all imports of a file, those in functions and for type checkers included."""
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


def sources() -> dict[Path, str]:
    """Return the files of the package with their units: the subpackage, or the module itself."""
    # The package's `__init__` imports the tagger only on access.
    files = (file for file in sorted(PACKAGE.rglob("*.py")) if file != PACKAGE / "__init__.py")
    return {file: file.relative_to(PACKAGE).parts[0].removesuffix(".py") for file in files}


def layer_of(file: Path, unit: str) -> int:
    """Return the layer of a file."""
    return COMMANDS if file.name == "__main__.py" else LAYER_OF[unit]


def test_layer_table_has_every_unit() -> None:
    assert set(sources().values()) == set(LAYER_OF)


def test_files_import_only_lower_layers() -> None:
    violations = [
        str(statement)
        for file, unit in sources().items()
        for statement in imports(file)
        if statement.unit not in (None, unit) and LAYER_OF[statement.unit] >= layer_of(file, unit)
    ]
    assert not violations


def test_crf_imports_nothing_of_the_package() -> None:
    files = [file for file, unit in sources().items() if unit == "crf"]
    assert files
    assert {statement.unit for file in files for statement in imports(file)} <= {None, "crf"}


def test_libraries_are_imported_by_their_owners_only() -> None:
    violations = [
        str(statement)
        for file, unit in sources().items()
        for statement in imports(file)
        if unit not in OWNERS.get(statement.module.split(".")[0], {unit})
    ]
    assert not violations


def test_files_are_short_and_have_specific_names() -> None:
    folders = ("mlmt_jax", "tests", "bench", "configs")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 40
    lengths = {str(file.relative_to(ROOT)): len(file.read_text("utf-8").splitlines()) for file in files}
    assert not {file: length for file, length in lengths.items() if length > MAX_LINES}
    assert not [file for file in lengths if Path(file).name in VAGUE_FILES]


def repeated_names(files: Iterable[Path]) -> list[str]:
    """Return the file names that occur more than once; each folder may have `__init__` and `__main__`."""
    counts = Counter(file.name for file in files if file.stem not in ("__init__", "__main__"))
    return [name for name, count in counts.items() if count > 1]


def test_file_names_are_unique_in_the_package() -> None:
    assert len(sources()) > 100
    assert not repeated_names(sources())
    assert repeated_names(map(Path, ("a/x.py", "b/x.py", "b/y.py", "a/__init__.py", "__init__.py"))) == [
        "x.py"
    ]


def module_names() -> set[str]:
    """Return the names that tests may have, without `test_`: "crf/chain", "bench/readme", "tagger"."""
    modules = {file.relative_to(PACKAGE).with_suffix("").as_posix() for file in PACKAGE.rglob("*.py")}
    benches = {file.relative_to(ROOT).with_suffix("").as_posix() for file in (ROOT / "bench").rglob("*.py")}
    configs = {f"configs/{file.stem}" for file in (ROOT / "configs").iterdir()}
    return modules | benches | configs


def misplaced_tests(tests: Iterable[str], modules: set[str]) -> list[str]:
    """Return the tests that are not named FOLDER/test_MODULE or FOLDER/test_MODULE_ASPECT after a module.

    Args:
        tests: paths relative to the folder of the tests, without `.py`.
        modules: the modules, as `module_names`.
    """
    misplaced = []
    for test in tests:
        folder, _, name = f"/{test}".rpartition("/test_")
        words = name.split("_")
        names = ("_".join(words[: i + 1]) for i in range(len(words)))
        if not any(f"{folder}/{name}".removeprefix("/") in modules for name in names):
            misplaced.append(test)
    return misplaced


def test_test_files_stand_at_the_path_of_their_module() -> None:
    folder = ROOT / "tests"
    tests = {file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("test_*.py")}
    assert len(tests) > 50
    assert tests >= REPOSITORY_TESTS
    assert not misplaced_tests(sorted(tests - REPOSITORY_TESTS), module_names())


@pytest.mark.parametrize(
    ("test", "is_misplaced"),
    [
        ("crf/test_chain", False),
        ("crf/test_chain_long_sentences", False),
        ("test_types", False),
        ("bench/test_readme", False),
        ("crf/test_chains", True),
        ("model/test_chain", True),
        ("test_chain", True),
        ("crf/test_long_chain", True),
    ],
)
def test_misplaced_tests_are_detected(test: str, is_misplaced: bool) -> None:
    assert misplaced_tests([test], module_names()) == [test] * is_misplaced


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
def test_import_does_not_load_libraries(statement: str, absent: list[str]) -> None:
    code = f"{statement}\nimport sys\nprint(*sorted(sys.modules))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = process.stdout.split()
    assert not set(absent) & set(loaded)


def test_crf_loads_no_other_part_of_the_package() -> None:
    code = "import sys, mlmt_jax.crf\nprint(*(name for name in sys.modules if name.startswith('mlmt_jax')))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    others = [name for name in process.stdout.split() if not name.startswith("mlmt_jax.crf")]
    assert others == ["mlmt_jax"]
    assert "mlmt_jax.crf.inference" in process.stdout
