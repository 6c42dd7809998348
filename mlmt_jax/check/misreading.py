"""UTF-8 that was read in another encoding: "cafÃ©" for "café"."""

import codecs
import re
from collections.abc import Iterable

# The byte of each character: in latin-1, and in cp1252, which lacks a few bytes.
_BYTES = {chr(byte): byte for byte in range(0x80, 0x100)}
_BYTES |= {bytes([byte]).decode("cp1252", "ignore") or chr(byte): byte for byte in range(0x80, 0x100)}
_NEXT = "[" + re.escape("".join(char for char, byte in _BYTES.items() if byte < 0xC0)) + "]"
_LETTER = f"(?:[\xc2-\xdf]{_NEXT}|[\xe0-\xef]{_NEXT}{{2}}|[\xf0-\xf4]{_NEXT}{{3}})"
# A single misread letter is recognised if it was of Latin-1 (now Â, Ã), of Latin Extended-A (Ä, Å, inside a
# word only: "Å»" may be correct), a letter with a dot below (áº) or similar, or a quote or dash (â€). In
# capitals, "CAFÉ»" and similar words are correct, but in small letters "JÃ¼rgen" is not. Letters of other
# scripts are recognised in pairs.
_SMALL = "(?=[a-z\xdf-\xff])"
_DOTTED = f"\xe1[\xb8\xb9\xba\xbb]{_NEXT}"
_MISREAD = re.compile(
    f"(?:{_LETTER}){{2,}}|(?<![A-Z\xc0-\xde])(?:\xc2[\xa0-\xbf]|\xc3{_NEXT}|[\xc4\xc5]{_NEXT}{_SMALL}"
    f"|{_DOTTED}|\xe2€{_NEXT})|(?:[\xc3-\xc5](?![\xa0\xbb]){_NEXT}|{_DOTTED}){_SMALL}"
)


def mend(text: str) -> str:
    """Return a text with the letters restored that look like UTF-8 read as latin-1 or cp1252.

    The function finds the traces of a misreading in a file that is UTF-8 now; `reread_as_utf8` finds a file
    that is misread as a whole.
    """
    return _MISREAD.sub(_decode_match, text)


def _decode_match(match: re.Match[str]) -> str:
    """Return the UTF-8 text of misread characters, or the characters themselves if they are not UTF-8."""
    try:
        return bytes(_BYTES.get(char, ord(char)) for char in match[0]).decode()
    except UnicodeDecodeError:
        return match[0]


def reread_as_utf8(tokens: Iterable[str], encoding: str) -> list[str]:
    """Return the tokens of a file as they read in UTF-8.

    Args:
        tokens: all tokens of the file that are not ASCII.
        encoding: the encoding in which the file was read.

    Returns:
        One text a token; empty if a token is not UTF-8, or if `encoding` is UTF-8, UTF-16 or unknown.
    """
    try:
        if codecs.lookup(encoding).name.startswith("utf"):
            return []
        return [token.encode(encoding).decode() for token in tokens]
    except (LookupError, UnicodeError):
        return []
