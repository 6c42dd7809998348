"""Findings of one file: what they print, how they add up, and errors raised or collected."""

import pytest

from mlmt_jax.errors import DataError
from mlmt_jax.text.findings import Findings


def test_findings_print_and_add_up() -> None:
    findings = Findings("a.txt")
    for line in (7, 9, 12):
        findings.note("odd", line)
    findings.note("odd as well")
    assert list(map(str, findings)) == ["a.txt:7: odd (3 times)", "a.txt: odd as well"]


def test_errors_are_raised_or_collected() -> None:
    with pytest.raises(DataError, match=r"^a\.txt:7:2: odd: x\n  expected y$"):
        Findings("a.txt").refuse("odd", 7, column=2, example="x", advice="expected y")
    findings = Findings("a.txt", collect_errors=True)
    findings.refuse("odd", 7)
    findings.refuse("odd", 8)
    assert [(str(finding), finding.is_error) for finding in findings] == [("a.txt:7: odd (2 times)", True)]
