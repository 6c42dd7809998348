"""Every block of Python in README.md runs as it is printed there."""

import re
from pathlib import Path
from typing import Any

import pytest

from mlmt_jax import Tagger

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def names(tiny_run: Any, tmp_path: Path) -> dict[str, Any]:
    """Provide the values that the blocks presuppose."""
    file = tmp_path / "exported"
    Tagger.load(tiny_run.folder).export(file)
    return {"FILE": file, "runs/quickstart": tiny_run.folder}


@pytest.mark.parametrize("code", BLOCKS)
def test_a_block_of_python_runs(code: str, names: dict[str, Any]) -> None:
    exec(code.replace('"runs/quickstart"', repr(str(names["runs/quickstart"]))), {"FILE": names["FILE"]})


def test_the_readme_has_blocks_of_python() -> None:
    assert len(BLOCKS) == 4
