"""The config reference in configs/REFERENCE.md is the generated one."""

from pathlib import Path

from mlmt_jax.config.reference import markdown_reference

PAGE = Path(__file__).resolve().parents[2] / "configs" / "REFERENCE.md"


def test_config_reference_is_generated_from_the_models() -> None:
    _, reference = PAGE.read_text(encoding="utf-8").split("--reference -->\n")
    assert reference.strip() == markdown_reference().strip()
