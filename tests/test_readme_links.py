"""Links, lengths and the map of the code in all READMEs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAIN = ROOT / "README.md"
READMES = [
    MAIN,
    *(path for name in ("bench", "configs", "mlmt_jax") for path in (ROOT / name).rglob("README.md")),
]

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LONGEST_LINE = 119  # outside code blocks and tables


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a Markdown file."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(path: Path) -> None:
    for link in LINK.findall(path.read_text(encoding="utf-8")):
        file, _, anchor = link.partition("#")
        if "://" not in link:
            target = path.parent / file if file else path
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("path", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_readme_is_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= (200 if path == MAIN else 250)
    prose = [line for line in FENCED.sub("", text).splitlines() if not line.startswith("|")]
    assert not [line for line in prose if len(line) > LONGEST_LINE]


def test_the_main_readme_links_to_all_others() -> None:
    links = {(ROOT / link.partition("#")[0]).resolve() for link in LINK.findall(MAIN.read_text("utf-8"))}
    assert set(READMES[1:]) <= links


def test_the_map_names_every_module() -> None:
    [drawn] = re.findall(
        r"## Map of the code\n.*?^```\n(.*?)^```", MAIN.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    parts = re.findall(r"^(\S+?)/? .*\n((?: .*\n)*)", drawn, re.MULTILINE)
    files = [file.relative_to(ROOT) for file in (ROOT / "mlmt_jax").rglob("*.py")]
    listed = sorted(f"{folder}/{name}.py" for folder, names in parts for name in names.split())
    assert listed == sorted(str(file) for file in files if not file.name.startswith("__"))
    assert all((ROOT / folder).is_dir() for folder, _ in parts)
