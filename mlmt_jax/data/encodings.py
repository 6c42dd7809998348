"""In which 8-bit encodings bytes that are not UTF-8 may have been written."""

import re
import unicodedata
from itertools import pairwise

__all__ = ["likely_readings"]

# In the order in which they are tried: of those that read the same the first is named.
_ENCODINGS = ("cp1252", "cp1250", "cp1254", "cp1257", "cp1251", "koi8-r", "cp1253", "cp1255", "cp1256")
_WORD = re.compile(r"[^\W\d_]+")
_MOST = 4  # readings, and words of each


def likely_readings(raw: bytes) -> dict[str, str]:
    """By encoding, the likeliest first: a line's first words that are not ASCII, as the encoding reads them.

    No two read it alike. A word is of one script, in Latin not mostly of accented letters, and has no
    capital behind a small letter. A line whose letters are ASCII has the reading "" in cp1252.
    """
    readings: dict[str, str] = {}
    for encoding in _ENCODINGS:
        try:
            text = raw.decode(encoding).strip().replace("\t", " ").replace("\xa0", " ")
        except UnicodeDecodeError:
            continue
        if not text.isprintable():  # a line of a binary file has control characters
            continue
        words = [word for word in _WORD.findall(text) if not word.isascii()]
        reading = " ".join(words[:_MOST])
        if all(map(_is_likely, words)) and reading not in readings.values() and (reading or not readings):
            readings[encoding] = reading
    return dict(list(readings.items())[:_MOST])


def _is_likely(word: str) -> bool:
    scripts = {unicodedata.name(char, "?").split()[0] for char in word}
    accented = sum(not char.isascii() for char in word)
    mostly_accented = scripts == {"LATIN"} and len(word) > 2 and 4 * accented > 3 * len(word)
    mixed_case = any(a.islower() and b.isupper() for a, b in pairwise(word))
    return len(scripts) == 1 and not mostly_accented and not mixed_case
