"""What a reader met in a file: suspicious but usable, or an error that training refuses."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from mlmt_jax.errors import DataError

__all__ = ["Finding", "add_finding", "refuse", "shown"]

_MOST_SHOWN = 5  # different cells
# Characters of what is said or shown; a line of a broken file may be as long as the file.
_LONGEST = 400


class Finding(NamedTuple):
    """A place to look at; places of one file that share a `text` are one finding with a `count`."""

    path: str
    line: int | None  # 1-based, of the first such place; None where the file as a whole is meant
    text: str
    count: int = 1
    column: int | None = None  # 1-based character of the line
    example: str = ""  # what stands at the first place
    advice: str = ""  # what training makes of it, what was expected, how to mend it
    is_error: bool = False  # whether training refuses it

    def __str__(self) -> str:
        """One line, and a second one with the advice where there is some."""
        place = ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)
        example = f": {_cut(self.example)}" if self.example else ""
        times = "" if self.count == 1 else f" ({self.count} times)"
        advice = f"\n  {self.advice}" if self.advice else ""
        return f"{place}: {_cut(self.text)}{example}{times}{advice}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def shown(cells: Iterable[str], write: Callable[[str], str] = repr) -> str:
    """The first few different ones of some cells, as an example has them."""
    different = [write(cell) for cell in dict.fromkeys(cells)]
    return ", ".join(different[:_MOST_SHOWN]) + (", ..." if len(different) > _MOST_SHOWN else "")


def add_finding(
    findings: list[Finding],
    path: str,
    line: int | None,
    text: str,
    *,
    column: int | None = None,
    example: str = "",
    advice: str = "",
    is_error: bool = False,
) -> None:
    """Add a finding to the list, or count it where the list has the same text for the same path."""
    for i, finding in enumerate(findings):
        if finding.path == path and finding.text == text:
            findings[i] = finding._replace(count=finding.count + 1)
            return
    findings.append(Finding(path, line, text, 1, column, example, advice, is_error))


def refuse(
    errors: list[Finding] | None,
    path: str,
    line: int | None,
    text: str,
    *,
    column: int | None = None,
    example: str = "",
    advice: str = "",
) -> None:
    """Add an error to the list; without a list raise it.

    Raises: DataError where `errors` is None.
    """
    if errors is None:
        raise DataError(str(Finding(path, line, text, 1, column, example, advice, is_error=True)))
    add_finding(errors, path, line, text, column=column, example=example, advice=advice, is_error=True)
