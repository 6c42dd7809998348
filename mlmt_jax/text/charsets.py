"""The likely encodings of bytes that are not in the expected one."""

import re
import unicodedata
from itertools import pairwise

#: Where the user sets the encoding of a file.
WHERE_TO_SET = "(parser.encoding of a config, --encoding of a command)"

# If several encodings give the same words, the first of these is named.
_ENCODINGS = ("cp1252", "cp1250", "cp1254", "cp1257", "cp1251", "koi8-r", "cp1253", "cp1255", "cp1256")
_MAX_WORDS, _MAX_CHARACTERS = 2, 24
_LINE_DRAWING = re.compile("[\u2219\u2320\u2321\u2500-\u25ff]")
_SIGN_BETWEEN_LETTERS = re.compile(r"[^\W\d_][^\w\x00-\x7f\u2019\u00b7][^\W\d_]")
_MIXED = 2  # the implausibility of a word with letters of several scripts


def decoded_line(raw: bytes, encoding: str) -> str | None:
    """Decode a line and strip its white space; tabs and no-break spaces become spaces.

    Returns:
        The text, or None if the bytes do not decode or contain control characters, as binary files do.
    """
    try:
        text = raw.decode(encoding).strip().replace("\t", " ").replace("\xa0", " ")
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def unmarked_utf16(raw: bytes) -> str | None:
    """Return the UTF-16 encoding of a file's first bytes if they look like ASCII in UTF-16, else None.

    No byte-order mark is needed: in ASCII text every second byte of UTF-16 is NUL.
    """
    for encoding, high, low in (("utf-16-le", raw[1::2], raw[::2]), ("utf-16-be", raw[::2], raw[1::2])):
        if 2 * high.count(0) > len(high) and not low.count(0):
            return encoding
    return None


def encoding_advice(symptom: str, likely: str, expected: str) -> str:
    """Return the advice to read a file in its likely encoding, or to save it in the expected one."""
    return f'{symptom}: give the encoding "{likely}" {WHERE_TO_SET}, or save the file as {expected}'


def likely_encoding(raw: bytes, expected: str) -> tuple[str, str] | None:
    """Return the most likely encoding of a line that is not in the expected one, and the advice for the user.

    Returns:
        (encoding, advice), or None if no encoding gives plausible words.
    """
    if decoded_line(raw, "utf-8") is not None:
        return "utf-8", encoding_advice("the line looks like UTF-8", "utf-8", expected)
    readings = likely_readings(raw)
    if not readings:
        return None
    best = next(iter(readings))
    if len(readings) == 1:
        name = "latin-1 or cp1252" if best == "cp1252" else best
        return best, encoding_advice(f"the line looks like {name}", best, expected)
    choices = ", ".join(f"{words!r} in {name}" for name, words in readings.items())
    return best, (
        f"it may read {choices}: give the encoding in which the words are right {WHERE_TO_SET}, "
        f"or save the file as {expected}"
    )


def likely_readings(raw: bytes) -> dict[str, str]:
    """Return the plausible 8-bit encodings of a line, the most plausible first, and what its words become.

    A word is plausible if its letters are of one script, if it has no capital after a small letter, and if
    not most of its Latin letters have accents. Of equally plausible readings, new scripts come first.

    Returns:
        For each encoding the first two words that are not ASCII, cut to 24 characters. All values differ.
    """
    ranks: dict[str, tuple[int, int, int]] = {}  # (implausibility, earlier readings of its script, encoding)
    scripts: list[str] = []
    for number, encoding in enumerate(_ENCODINGS):
        text = decoded_line(raw, encoding)
        if text is None:
            continue
        words = [_cut_around_letter(word) for word in text.split() if not word.isascii()][:_MAX_WORDS]
        reading = " ".join(words)
        if reading not in ranks:
            script = " ".join(sorted(set().union(*map(_scripts, words))))
            ranks[reading] = max(map(_implausibility, words), default=0), scripts.count(script), number
            scripts.append(script)
    ranked = sorted((*rank, reading) for reading, rank in ranks.items())
    return {
        _ENCODINGS[number]: reading
        for implausibility, _, number, reading in ranked
        if implausibility < _MIXED or ranked[0][0] == _MIXED
    }


def _cut_around_letter(word: str) -> str:
    """Cut a word to 24 characters around its first character that is not ASCII."""
    first = next(i for i, char in enumerate(word) if not char.isascii())
    start = max(0, min(first - _MAX_CHARACTERS // 2, len(word) - _MAX_CHARACTERS))
    return word[start : start + _MAX_CHARACTERS]


def _implausibility(word: str) -> int:
    """Return 0 for a plausible word, 1 for an odd one, 2 for mixed scripts or line-drawing characters."""
    scripts = _scripts(word)
    if len(scripts) > 1 or _LINE_DRAWING.search(word):
        return _MIXED
    letters = list(filter(_is_letter, word))
    accented = sum(not char.isascii() for char in letters)
    is_accented = scripts == {"LATIN"} and len(letters) > 2 and 4 * accented > 3 * len(letters)
    is_mixed_case = any(a.islower() and b.isupper() for a, b in pairwise(word))
    return int(is_accented or is_mixed_case or bool(_SIGN_BETWEEN_LETTERS.search(word)))


def _scripts(word: str) -> set[str]:
    """Return the scripts of a word's letters and marks, as the first words of their Unicode names."""
    chars = [char for char in word if _is_letter(char) or unicodedata.category(char) == "Mn"]
    return {unicodedata.name(char, "?").split()[0] for char in chars}


def _is_letter(char: str) -> bool:
    """Return True for a letter of a script; unlike in isalpha, the ordinal indicator is none."""
    return char.isalpha() and unicodedata.normalize("NFKC", char) == char
