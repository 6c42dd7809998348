"""UTF-8 that was read in another encoding: "cafÃ©" for "café"."""

import codecs
import re

__all__ = ["Misreading", "mend"]

_LATIN = "cp1252"


def _as_cp1252(byte: int) -> str:
    """The character for which cp1252, or else latin-1, takes a byte."""
    return bytes([byte]).decode(_LATIN, "ignore") or chr(byte)


_BYTES = {_as_cp1252(byte): byte for byte in range(0x80, 0x100)} | {
    chr(byte): byte for byte in range(0x80, 0xC0)
}
_NEXT = "[" + re.escape("".join(char for char, byte in _BYTES.items() if byte < 0xC0)) + "]"
_PAIR = f"(?:[\xc2-\xdf]{_NEXT}|[\xe0-\xef]{_NEXT}{{2}}|[\xf0-\xf4]{_NEXT}{{3}})"
# What a single letter may have become: letters of Latin-1 (Â, Ã), of Latin Extended-A (Ä, Å, inside a word
# only: "Å»" may be what it looks like), with dots below (áº) and such, quotes and dashes (â€). In capitals,
# "CAFÉ»" and its like are no mistake, but in small letters "JÃ¼rgen" is. Of all other scripts two letters
# must follow each other.
_SMALL = "(?=[a-z\xdf-\xff])"
_DOTTED = f"\xe1[\xb8\xb9\xba\xbb]{_NEXT}"
_MISREAD = re.compile(
    f"(?:{_PAIR}){{2,}}|(?<![A-Z\xc0-\xde])(?:\xc2[\xa0-\xbf]|\xc3{_NEXT}|[\xc4\xc5]{_NEXT}{_SMALL}"
    f"|{_DOTTED}|\xe2€{_NEXT})|(?:[\xc3-\xc5](?![\xa0\xbb]){_NEXT}|{_DOTTED}){_SMALL}"
)


def mend(text: str) -> str | None:
    """The text with what looks like misread UTF-8 put right; None where nothing does.

    The reading of a whole file in a wrong encoding is found by ``Misreading``; this finds the traces
    that such a reading left in a file of UTF-8.
    """
    mended = _MISREAD.sub(_decoded, text)
    return mended if mended != text else None


def _decoded(match: re.Match[str]) -> str:
    try:
        return bytes(_BYTES.get(char, ord(char)) for char in match[0]).decode()
    except UnicodeDecodeError:
        return match[0]


class Misreading:
    """Whether a file that the config says is in another encoding is UTF-8: all its text would have to be.

    Not for UTF-8 itself, where a wrong byte is refused when the file is read.
    """

    def __init__(self, encoding: str):
        try:
            self.encoding = codecs.lookup(encoding).name
        except LookupError:  # refused by the reader
            self.encoding = "utf-8"
        self.count = 0
        self._is_possible = not self.encoding.startswith("utf")

    @property
    def is_likely(self) -> bool:
        """Whether there was such text, and none that cannot be UTF-8."""
        return self._is_possible and self.count > 0

    def read(self, token: str) -> str | None:
        """Takes in a token that is not all ASCII; gives it as it would be in UTF-8."""
        if not self._is_possible:
            return None
        try:
            text = token.encode(self.encoding).decode()
        except UnicodeError:
            self._is_possible = False
            return None
        self.count += 1
        return text
