"""What is installed beside the modules."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_type_checkers_find_the_annotations() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    for name in settings["package-data"]["mlmt_jax"]:
        assert (ROOT / "mlmt_jax" / name).is_file()
    assert "py.typed" in settings["package-data"]["mlmt_jax"]
