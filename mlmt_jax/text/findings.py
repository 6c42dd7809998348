"""The findings of a file: what is suspicious but usable, and errors that training refuses."""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from mlmt_jax.errors import DataError

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


class Findings:
    """The findings of one file, in the order of their first places; a text that comes again is counted.

    A reader is given this object: it knows the path, collects warnings and raises or collects errors.
    """

    def __init__(self, path: str | os.PathLike[str], *, collect_errors: bool = False):
        """Start without findings.

        Args:
            path: the file.
            collect_errors: let `refuse` add an error to the findings instead of raising it.
        """
        self.path = os.fspath(path)
        self._collect_errors = collect_errors
        self._by_text: dict[str, Finding] = {}

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._by_text.values())

    def add(self, finding: Finding) -> None:
        """Add a finding of this file. If there is one with the same text, increase its count instead."""
        earlier = self._by_text.get(finding.text)
        if earlier is not None:
            finding = earlier._replace(count=earlier.count + finding.count)
        self._by_text[finding.text] = finding

    def note(
        self,
        text: str,
        line: int | None = None,
        *,
        column: int | None = None,
        example: str = "",
        advice: str = "",
        count: int = 1,
    ) -> None:
        """Add a warning about something suspicious; see `Finding` for the arguments."""
        self.add(Finding(self.path, line, text, count, column, example, advice))

    def refuse(
        self,
        text: str,
        line: int | None = None,
        *,
        column: int | None = None,
        example: str = "",
        advice: str = "",
    ) -> None:
        """Raise an error about something that training cannot use; with `collect_errors`, add it.

        Args: as in `Finding`.

        Raises:
            DataError: with the text of the finding, unless errors are collected.
        """
        finding = Finding(self.path, line, text, 1, column, example, advice, is_error=True)
        if not self._collect_errors:
            raise DataError(str(finding))
        self.add(finding)
