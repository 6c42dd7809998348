"""README's config reference is the one that the models give."""

import re
from pathlib import Path

from mlmt_jax.config.reference import markdown_reference

README = Path(__file__).resolve().parents[2] / "README.md"


def test_config_reference_in_readme_is_that_of_the_models():
    text = README.read_text(encoding="utf-8")
    found = re.search(
        r"<!-- config reference: .*? -->\n(.*?)\n<!-- end of config reference -->", text, re.DOTALL
    )
    assert found, "README has no config reference between its two comments"
    assert found[1].strip() == markdown_reference().strip()
