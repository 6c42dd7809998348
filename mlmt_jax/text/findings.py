"""The findings of a file: what is suspicious but usable, and what training refuses."""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypedDict, Unpack

from mlmt_jax.errors import DataError
from mlmt_jax.text.escaping import escape_controls

_MAX_CELLS = 5  # different cells in an example
_MAX_CHARACTERS = 400  # of a text or an example: a line of a broken file may be as long as the file


class Finding(NamedTuple):
    """A place in a file and what is suspicious or wrong there."""

    path: str
    line: int | None  # 1-based; None if the finding is about the whole file
    text: str  # the problem
    count: int = 1  # number of places with this problem; the finding names the first one
    column: int | None = None  # 1-based character of the line
    example: str = ""  # content of the first place
    advice: str = ""  # what training makes of it, what was expected, or what to do
    is_error: bool = False  # True if training refuses the file

    def __str__(self) -> str:
        """Format the finding as a line, and a second one with the advice if there is any."""
        place = ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)
        example = f": {shorten(self.example)}" if self.example else ""
        times = "" if self.count == 1 else f" ({self.count} times)"
        advice = f"\n  {self.advice}" if self.advice else ""
        return escape_controls(f"{place}: {shorten(self.text)}{example}{times}{advice}")


def shorten(text: str, limit: int = _MAX_CHARACTERS) -> str:
    """Return a text, cut to `limit` characters."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def join_examples(cells: Iterable[str], write: Callable[[str], str] = repr) -> str:
    """Return the first five different cells, formatted by `write` and joined with commas; "..." for more."""
    different = [write(cell) for cell in dict.fromkeys(cells)]
    return ", ".join(different[:_MAX_CELLS]) + (", ..." if len(different) > _MAX_CELLS else "")


class Details(TypedDict, total=False):
    """The fields of a finding that are often left out; see `Finding`."""

    column: int | None
    example: str
    advice: str


class Findings:
    """The findings of one file, in the order in which they were added.

    Readers and checks share this object: it knows the path, and decides if errors are raised or collected.
    Findings with the same text are one finding with a count.
    """

    def __init__(self, path: str | os.PathLike[str], *, collect_errors: bool = False):
        """Create an empty collection.

        Args:
            path: path of the file.
            collect_errors: if True, `refuse` adds errors to the findings and does not raise them.
        """
        self.path = os.fspath(path)
        self._collect_errors = collect_errors
        self._by_text: dict[str, Finding] = {}

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._by_text.values())

    def add(self, finding: Finding) -> None:
        """Add a finding about this file; if its text is known, add its count to the earlier finding."""
        earlier = self._by_text.get(finding.text)
        if earlier is not None:
            finding = earlier._replace(count=earlier.count + finding.count)
        self._by_text[finding.text] = finding

    def note(self, text: str, line: int | None = None, count: int = 1, **details: Unpack[Details]) -> None:
        """Add a warning; the arguments are the fields of `Finding`."""
        self.add(Finding(self.path, line, text, count, **details))

    def refuse(self, text: str, line: int | None = None, **details: Unpack[Details]) -> None:
        """Raise an error, or add it if errors are collected; the arguments are the fields of `Finding`.

        Raises:
            DataError: with the finding as its message, unless errors are collected.
        """
        finding = Finding(self.path, line, text, **details, is_error=True)
        if not self._collect_errors:
            raise DataError(str(finding))
        self.add(finding)
