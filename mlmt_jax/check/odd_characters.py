"""Invisible and unwanted characters in a token or a tag."""

import re
import unicodedata

# White space that separates no columns, control characters, invisible marks, and replacements of lost text.
# Not among them: the joiners U+200C and U+200D, which many scripts need, and NUL, which the reader refuses.
_ODD = re.compile(
    "[\t\x01-\x08\x0a-\x1f\x7f-\xa0\xad\u1680\u2000-\u200b\u200e\u200f\u2028-\u202f\u205f-\u2064"
    "\u2066-\u2069\u3000\ufeff\ufffd-\uffff]"
)
_LOST = "\ufffd"


def find_odd(text: str) -> int | None:
    """Return the index of the first odd character of a text, or None."""
    match = _ODD.search(text)
    return match.start() if match else None


def describe_odd(character: str, cell: str) -> tuple[str, str]:
    """Return the text and the advice of a finding about an odd character in a ``cell`` ("token" or "tag")."""
    part = {"token": "a letter of the word", "tag": "a part of the tag"}[cell]
    whole = {"token": "word", "tag": "tag"}[cell]
    advice = f"it is read as {part}, which then differs from the {whole} without it"
    name = unicodedata.name(character, "").lower()
    code = f"U+{ord(character):04X}"
    if character == _LOST:
        kind = f"a letter that an earlier conversion lost ({code})"
    elif character.isspace():
        kind = f"white space ({name or repr(character)}, {code})"
    elif unicodedata.category(character) == "Cc":
        kind = f"a control character ({code})"
    else:
        kind = f"an invisible character ({name or 'no character'}, {code})"
    return f"{kind} in a {cell}", advice
