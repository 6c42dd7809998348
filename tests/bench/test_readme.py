"""The measured figures in the READMEs are those in bench/results/."""

from pathlib import Path

import pytest
from readme import SECTIONS, read_results, update


@pytest.mark.parametrize("path", SECTIONS, ids=lambda path: path.parent.name)
def test_figures_are_those_of_the_results(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert update(text, SECTIONS[path], read_results()) == text


def test_a_readme_without_a_section_is_refused() -> None:
    with pytest.raises(ValueError, match="speed: 0 sections"):
        update("# A page\n", {"speed": lambda results: "fast"}, {})
