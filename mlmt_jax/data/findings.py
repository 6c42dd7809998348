"""What a reader met in a file that is suspicious but usable."""

from typing import NamedTuple

__all__ = ["Finding", "add_finding"]


class Finding(NamedTuple):
    """A suspicious place; places of one file that share a `text` are one finding with a `count`."""

    path: str
    line: int | None  # 1-based, of the first such place; None where the file as a whole is meant
    text: str
    count: int = 1

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        times = "" if self.count == 1 else f" ({self.count} times)"
        return f"{place}: {self.text}{times}"


def add_finding(findings: list[Finding], path: str, line: int | None, text: str) -> None:
    """Add a finding to the list, or count it where the list has the same text for the same path."""
    for i, finding in enumerate(findings):
        if finding.path == path and finding.text == text:
            findings[i] = finding._replace(count=finding.count + 1)
            return
    findings.append(Finding(path, line, text))
