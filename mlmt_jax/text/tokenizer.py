"""Text into tokens: simple, without word lists, the same for all languages, and reversible.

Every token is a stretch of the line, and between tokens stands white space alone (U+200B, which separates
words in Khmer or Myanmar, is taken for white space). Letters, digits, combining marks and ``_`` make words;
a mark stays with what stands before it. Every other character is a token of its own, and so is every Han
or Kana character, with its marks. Thai, Lao, Khmer, Myanmar and Tibetan are not segmented: what they write
without a space stays whole. Beyond that:

| kept whole | examples |
|---|---|
| an apostrophe, hyphen, middle dot or the like within a word | ``ng'ombe``, ``o‘zbek``, ``col·lega`` |
| an apostrophe before a single letter | ``'n``, ``'s`` |
| numbers, with what stands between two digits | ``1,234.50``, ``12:30``, ``3/4``, ``2021-03-12`` |
| letters with a full stop each; a capital with one before a further word | ``U.S.``, ``e.g.``, ``J. Smith`` |
| a full stop before a small letter or between capitals | ``example.com``, ``U.S.A`` |
| web and mail addresses, without the punctuation that ends them | ``https://a.org/b_(c)``, ``a.b@c.org`` |
| names and topics of social media | ``@name``, ``#topic`` |
| runs of full stops or hyphens; emoji of several characters | ``...``, ``--`` |

All other full stops are tokens: ``Dr.`` makes two, since no list says that it is an abbreviation.
"""

import re
import unicodedata
from typing import NamedTuple

__all__ = ["Token", "split_at_spaces", "tokenise"]

_ZERO_WIDTH_SPACE, _ZERO_WIDTH_JOINER = "\u200b", "\u200d"


class Token(NamedTuple):
    """A token and where it stands: ``line[start:end]``, in code points."""

    text: str
    start: int
    end: int


# A line is translated to classes, a character each, and those are matched:
#   u l o  letters: upper case, lower case, without case        0  numbers
#   m  marks and other characters that join the one before      z  zero-width joiner
#   h  Han and Kana     r  halves of flags     p  all else      space, and the characters below: themselves
_THEMSELVES = frozenset("'-.,:/@#_·")
_SAME_AS = {
    "\u2019": "'",
    "\u2010": "-",
    "\u2011": "-",
    "\u2018": "·",  # o‘zbek; elsewhere it opens a quotation
    "\u05be": "-",  # Hebrew
    "\u05f3": "·",
    "\u05f4": "·",
    "\u066b": ".",  # Arabic
    "\u066c": ",",
    "\u0f0b": "o",  # between the syllables of Tibetan
    "\u0f0c": "o",
    "\u30fc": "m",  # lengthens the Kana before it
    "\uff70": "m",
    "\uff9e": "m",
    "\uff9f": "m",
    _ZERO_WIDTH_SPACE: " ",
    _ZERO_WIDTH_JOINER: "z",
}
_RANGES = (
    (0x2E80, 0x2FDF, "h"),
    (0x3005, 0x3007, "h"),
    (0x3021, 0x3029, "h"),
    (0x3031, 0x303B, "h"),
    (0x3041, 0x3096, "h"),
    (0x309D, 0x309F, "h"),
    (0x30A1, 0x30FA, "h"),
    (0x30FD, 0x312F, "h"),
    (0x31A0, 0x31FF, "h"),
    (0x3400, 0x4DBF, "h"),
    (0x4E00, 0x9FFF, "h"),
    (0xF900, 0xFAFF, "h"),
    (0xFF66, 0xFF9D, "h"),
    (0x1AFF0, 0x1B16F, "h"),
    (0x1F1E6, 0x1F1FF, "r"),
    (0x1F3FB, 0x1F3FF, "m"),  # skin tones
    (0x20000, 0x3FFFD, "h"),
)
# What Python does not know yet may be a letter, and what is for private use is one where it is met in text.
_CLASS_OF_CATEGORY = {"Lu": "u", "Lt": "u", "Ll": "l", "Lm": "l", "Lo": "o", "Cn": "o", "Co": "o"}
_CLASS_OF_CATEGORY |= {"Mn": "m", "Mc": "m", "Me": "m", "Cf": "m", "Nd": "0", "Nl": "0", "No": "0"}

_TOKEN = re.compile(
    r"""
      (?:[ul]m*\.){2,}(?![ulo0mz_])
    | um*\.(?=[ ]+[ulo])
    | [@#][ulo0_][ulo0mz_]*
    | '[ulo]m*(?![ulo0mz_'])
    | [ulo0mz_]+
      (?:
        (?:['·-](?=[ulo0]) | (?<=0)[.,:/](?=0) | (?<=[ulmz0])\.(?=[l0]) | (?<=u)\.(?=u))
        [ulo0mz_]+
      )*
    | h[mz]*
    | rr?[mz]*
    | \.{2,}
    | -{2,}
    | [^ ][mz]*(?:(?<=z)p[mz]*)*
    """,
    re.VERBOSE,
)
_ADDRESS = re.compile(
    r"""
      (?:(?:https?|ftp)://|www\.)[^\s\u200b<>"]+
    | (?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ENDS_A_SENTENCE = ".,;:!?'\")]}»”’…。，、！？"


class _Classes(dict[int, str]):
    """The class of every code point, worked out when it is first asked for."""

    def __missing__(self, code: int) -> str:
        return self.setdefault(code, _class_of(chr(code)))


def _class_of(char: str) -> str:
    if char.isspace():
        return " "
    if char in _THEMSELVES:
        return char
    if char in _SAME_AS:
        return _SAME_AS[char]
    for low, high, name in _RANGES:
        if low <= ord(char) <= high:
            return name
    return _CLASS_OF_CATEGORY.get(unicodedata.category(char), "p")


_CLASSES = _Classes()


def tokenise(line: str) -> list[Token]:
    """The tokens of a line, in order; none is empty or holds white space."""
    classes = line.translate(_CLASSES)
    tokens: list[Token] = []

    def add(start: int, end: int) -> None:
        tokens.extend(
            Token(line[a:b], a, b) for a, b in map(re.Match.span, _TOKEN.finditer(classes, start, end))
        )

    done = 0
    if "@" in line or "://" in line or "www." in line.lower():
        for match in _ADDRESS.finditer(line):
            address = match[0].rstrip(_ENDS_A_SENTENCE)
            if match[0].startswith(")", len(address)) and address.count("(") > address.count(")"):
                address += ")"
            end = match.start() + len(address)
            add(done, match.start())
            tokens.append(Token(line[match.start() : end], match.start(), end))
            done = end
    add(done, len(line))
    return tokens


def split_at_spaces(line: str) -> list[Token]:
    """The stretches of a line between white space, for text that was tokenised before."""
    return [Token(match[0], *match.span()) for match in re.finditer(r"\S+", line)]
