"""Fixtures of the tests of results."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def corpus_copy(tiny_config: Path, tmp_path: Path) -> Path:
    """Copy the tiny corpus for a run beside it; return its folder."""
    return Path(shutil.copytree(tiny_config.parent, tmp_path / "corpus"))
