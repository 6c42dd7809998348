"""The config reference in configs/README.md is the generated one."""

import re
from pathlib import Path

from mlmt_jax.config.reference import markdown_reference

README = Path(__file__).resolve().parents[2] / "configs" / "README.md"


def test_config_reference_in_readme_is_generated_from_the_models() -> None:
    text = README.read_text(encoding="utf-8")
    reference = re.search(
        r"<!-- config reference: .*? -->\n(.*?)\n<!-- end of config reference -->", text, re.DOTALL
    )
    assert reference, "configs/README.md has no config reference between its two comments"
    assert reference[1].strip() == markdown_reference().strip()
