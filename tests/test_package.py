"""The installed package has the type annotations, and only its public names."""

import tomllib
from pathlib import Path

import pytest

import mlmt_jax

ROOT = Path(__file__).resolve().parents[1]


def test_type_checkers_find_the_annotations() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    for name in settings["package-data"]["mlmt_jax"]:
        assert (ROOT / "mlmt_jax" / name).is_file()
    assert "py.typed" in settings["package-data"]["mlmt_jax"]


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Taggerr'"):
        mlmt_jax.Taggerr  # noqa: B018
