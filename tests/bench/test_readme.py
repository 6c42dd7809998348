"""README's section on speed is the one that the files in bench/results/ give."""

import re

from readme import README, section


def test_figures_in_readme_are_those_of_the_results():
    found = re.search(
        r"<!-- speed: .*? -->\n(.*?)<!-- end of speed -->", README.read_text(encoding="utf-8"), re.DOTALL
    )
    assert found, "README has no section on speed between its two comments"
    assert found[1] == section()
