"""In which encoding the bytes of a line may have been written."""

import re
import unicodedata
from itertools import pairwise

__all__ = ["WHERE_TO_SET", "decoded_line", "likely_readings"]

#: Where people say which encoding a file has.
WHERE_TO_SET = "(parser.encoding of a config, --encoding of a command)"

# Of those that read the same the first is named.
_ENCODINGS = ("cp1252", "cp1250", "cp1254", "cp1257", "cp1251", "koi8-r", "cp1253", "cp1255", "cp1256")
_MOST_WORDS, _LONGEST = 2, 24
_DRAWN = re.compile("[\u2219\u2320\u2321\u2500-\u25ff]")
_SIGN_WITHIN = re.compile(r"[^\W\d_][^\w\x00-\x7f\u2019\u00b7][^\W\d_]")
_MIXED = 2  # doubts about a word of several scripts


def decoded_line(raw: bytes, encoding: str) -> str | None:
    """The text of a line; None where it does not decode, or has the control characters of a binary file."""
    try:
        text = raw.decode(encoding).strip().replace("\t", " ").replace("\xa0", " ")
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def likely_readings(raw: bytes) -> dict[str, str]:
    """By 8-bit encoding, the likeliest first: a line's first words that are not ASCII, as they read in it.

    No two read it alike. Likely are letters of one script in a word, in Latin not mostly accented ones, and
    no capitals behind small letters. Of readings that are as likely, those of different scripts come first.
    """
    found: dict[str, tuple[int, int, int]] = {}  # by reading: doubts, likelier ones of its script, encoding
    scripts: list[str] = []
    for number, encoding in enumerate(_ENCODINGS):
        text = decoded_line(raw, encoding)
        if text is None:
            continue
        words = [_clipped(word) for word in text.split() if not word.isascii()][:_MOST_WORDS]
        reading = " ".join(words)
        if reading not in found:
            script = " ".join(sorted(set().union(*map(_scripts, words))))
            found[reading] = max(map(_doubts, words), default=0), scripts.count(script), number
            scripts.append(script)
    ranked = sorted((*rank, reading) for reading, rank in found.items())
    return {
        _ENCODINGS[number]: reading
        for doubts, _, number, reading in ranked
        if doubts < _MIXED or ranked[0][0] == _MIXED
    }


def _clipped(word: str) -> str:
    """What stands around a word's first character that is not ASCII."""
    first = next(i for i, char in enumerate(word) if not char.isascii())
    start = max(0, min(first - _LONGEST // 2, len(word) - _LONGEST))
    return word[start : start + _LONGEST]


def _doubts(word: str) -> int:
    """How unlikely a word is: 0, not at all, to 2, of several scripts or with what draws lines."""
    scripts = _scripts(word)
    if len(scripts) > 1 or _DRAWN.search(word):
        return _MIXED
    letters = list(filter(_is_letter, word))
    accented = sum(not char.isascii() for char in letters)
    is_accented = scripts == {"LATIN"} and len(letters) > 2 and 4 * accented > 3 * len(letters)
    is_mixed_case = any(a.islower() and b.isupper() for a, b in pairwise(word))
    return int(is_accented or is_mixed_case or bool(_SIGN_WITHIN.search(word)))


def _scripts(word: str) -> set[str]:
    own = [char for char in word if _is_letter(char) or unicodedata.category(char) == "Mn"]
    return {unicodedata.name(char, "?").split()[0] for char in own}


def _is_letter(char: str) -> bool:
    # Signs such as the ordinal indicator are letters of no script.
    return char.isalpha() and unicodedata.normalize("NFKC", char) == char
