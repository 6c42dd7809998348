"""Characters that nobody sees or wants in a token or a tag."""

import re
import unicodedata

__all__ = ["describe_odd", "find_odd"]

# White space that separates no columns, control characters, invisible marks, and what stands for lost text.
# Not the joiners U+200C and U+200D, which spell words in many scripts, and not NUL, which is refused.
_ODD = re.compile(
    "[\t\x01-\x08\x0a-\x1f\x7f-\xa0\xad\u1680\u2000-\u200b\u200e\u200f\u2028-\u202f\u205f-\u2064"
    "\u2066-\u2069\u3000\ufeff\ufffd-\uffff]"
)
_LOST = "\ufffd"


def find_odd(text: str) -> int | None:
    """The place of the first such character in a cell, from 0."""
    match = _ODD.search(text)
    return match.start() if match else None


def describe_odd(character: str, cell: str) -> tuple[str, str]:
    """What a finding says of a character in a ``cell`` ("token" or "tag"), and its advice."""
    name = unicodedata.name(character, "").lower()
    code = f"U+{ord(character):04X}"
    reading = {
        "token": "it is taken for a letter of the word, which then differs from the word without it",
        "tag": "it is taken for a part of the tag, which then differs from the tag without it",
    }[cell]
    if character == _LOST:
        return f"a letter that an earlier conversion lost ({code}) in a {cell}", reading
    if character.isspace():
        kind = f"white space ({name or repr(character)}, {code})"
    elif unicodedata.category(character) == "Cc":
        kind = f"a control character ({code})"
    else:
        kind = f"an invisible character ({name or 'no character'}, {code})"
    return f"{kind} in a {cell}", reading
