"""Fixtures of the tests of training."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def corpus(tiny_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the tiny corpus for the configs and runs of a test file; return its folder."""
    return Path(shutil.copytree(tiny_config.parent, tmp_path_factory.mktemp("runs") / "corpus"))


@pytest.fixture
def corpus_copy(tiny_config: Path, tmp_path: Path) -> Path:
    """Copy the tiny corpus for a test that changes its files; return its folder."""
    return Path(shutil.copytree(tiny_config.parent, tmp_path / "corpus"))
