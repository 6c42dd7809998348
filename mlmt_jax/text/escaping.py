"""Characters of user data that a terminal would obey, written as text."""

import re

# Controls but tab and newline; marks, embeddings, overrides and isolates that change the order of text.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def escape_controls(text: str) -> str:
    r"""Return a text with its control and bidirectional characters as text, such as "\x1b" and "U+202E"."""
    return _CONTROL.sub(escaped, text)


def printable(text: str) -> str:
    """Return a text on one line: everything that does not print is escaped, newlines and tabs too."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in escape_controls(text))


def escaped(match: re.Match[str]) -> str:
    r"""Return a matched character as text: "\\x1b" up to U+00FF, "U+202E" beyond."""
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"U+{code:04X}"
