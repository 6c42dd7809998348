"""What tests of training share."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def corpus(tiny_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny corpus, for configs beside it."""
    return Path(shutil.copytree(tiny_config.parent, tmp_path_factory.mktemp("replicas") / "corpus"))
