"""Control and bidirectional characters of user data are escaped_text as text."""

import pytest

from mlmt_jax.text.escaping import escape_controls
from mlmt_jax.text.findings import Finding
from mlmt_jax.training.tables import table


@pytest.mark.parametrize(
    ("text", "escaped_text"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\u202eb\u2069", "aU+202EbU+2069"),
        ("\x85\r\x00", "\\x85\\x0d\\x00"),
        ("שלום\tcafé\n\U0001f600\u0301", "שלום\tcafé\n\U0001f600\u0301"),
    ],
)
def test_controls_are_escaped_and_letters_are_not(text: str, escaped_text: str) -> None:
    assert escape_controls(text) == escaped_text


def test_findings_and_tables_escape_what_files_contain() -> None:
    finding = Finding("a\x1b.txt", 3, "span type \u202ePER", example="\u2067x", advice="mend \x07 it")
    assert str(finding) == "a\\x1b.txt:3: span type U+202EPER: U+2067x\n  mend \\x07 it"
    assert table(("type",), [("\u202ePER\x1b",)]).splitlines() == ["type", "U+202EPER\\x1b"]
