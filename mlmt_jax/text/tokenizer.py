"""A tokenizer without word lists, the same for all languages; the line can be rebuilt from its tokens.

Every token is a substring of the line, and there is only white space between tokens (U+200B, which separates
words in Khmer or Myanmar, is white space). Letters, digits, combining marks and ``_`` form words; a mark
stays with the character before it. Every other character is a token of its own, and so is every Han or Kana
character with its marks. Thai, Lao, Khmer, Myanmar and Tibetan are not segmented: text without spaces stays
whole.
Exceptions:

| kept whole | examples |
|---|---|
| an apostrophe, hyphen, middle dot or the like within a word | ``ng'ombe``, ``o‘zbek``, ``col·lega`` |
| an apostrophe before a single letter | ``'n``, ``'s`` |
| numbers, with punctuation between two digits | ``1,234.50``, ``12:30``, ``3/4``, ``2021-03-12`` |
| letters with a full stop each; a capital with one before a further word | ``U.S.``, ``e.g.``, ``J. Smith`` |
| a full stop before a small letter or between capitals | ``example.com``, ``U.S.A`` |
| web and mail addresses, without the punctuation that ends them | ``https://a.org/b_(c)``, ``a.b@c.org`` |
| names and topics of social media | ``@name``, ``#topic`` |
| runs of full stops or hyphens; emoji of several characters | ``...``, ``--`` |

All other full stops are tokens: ``Dr.`` is two tokens, since there is no list of abbreviations.
"""

import re
import unicodedata
from typing import NamedTuple


class Token(NamedTuple):
    """A token of a line, ``line[start:end]`` in code points."""

    text: str
    start: int
    end: int


# Every character of a line is translated to a class, one character too, and tokens are matched in classes:
#   u l o  letters: upper case, lower case, without case        0  numbers
#   m  marks and other characters that join the one before      z  zero-width joiner
#   h  Han and Kana     r  halves of flags     p  all others    space and the characters below: themselves
_THEMSELVES = frozenset("'-.,:/@#_·")
# Characters whose class differs from that of their Unicode category; the first match counts.
_SETS = {
    "'": "\u2019",
    "-": "\u2010\u2011\u05be",  # the last one is Hebrew
    "·": "\u2018\u05f3\u05f4",  # the apostrophe of o‘zbek, which elsewhere opens a quotation; Hebrew
    ".": "\u066b",  # Arabic
    ",": "\u066c",  # Arabic
    "o": "\u0f0b\u0f0c",  # between the syllables of Tibetan
    " ": "\u200b",
    "z": "\u200d",
    "r": "\U0001f1e6-\U0001f1ff",
    "m": "\u30fc\uff70\uff9e\uff9f\U0001f3fb-\U0001f3ff",  # length and voice marks of Kana; skin tones
    "h": "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u303b\u3041-\u3096\u309d-\u309f\u30a1-\u30fa"
    "\u30fd-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d"
    "\U0001aff0-\U0001b16f\U00020000-\U0003fffd",
}
_CLASS_OF_SET = {name: re.compile(f"[{characters}]") for name, characters in _SETS.items()}
# Unassigned code points may be letters of a newer Unicode; private-use ones are letters when text has them.
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
    """A mapping from code points to classes for `str.translate`, filled on first use."""

    def __missing__(self, code: int) -> str:
        return self.setdefault(code, _class_of(chr(code)))


def _class_of(char: str) -> str:
    """Return the class of a character, as listed above."""
    if char.isspace():
        return " "
    if char in _THEMSELVES:
        return char
    for name, characters in _CLASS_OF_SET.items():
        if characters.match(char):
            return name
    return _CLASS_OF_CATEGORY.get(unicodedata.category(char), "p")


_CLASSES = _Classes()


def tokenise(line: str) -> list[Token]:
    """Split a line into its tokens, in order; no token is empty or contains white space."""
    classes = line.translate(_CLASSES)
    tokens: list[Token] = []

    def add(start: int, end: int) -> None:
        spans = map(re.Match.span, _TOKEN.finditer(classes, start, end))
        tokens.extend(Token(line[a:b], a, b) for a, b in spans)

    end = 0
    if "@" in line or "://" in line or "www." in line.lower():
        for match in _ADDRESS.finditer(line):
            address = match[0].rstrip(_ENDS_A_SENTENCE)
            if match[0].startswith(")", len(address)) and address.count("(") > address.count(")"):
                address += ")"
            add(end, match.start())
            end = match.start() + len(address)
            tokens.append(Token(address, match.start(), end))
    add(end, len(line))
    return tokens


def split_at_spaces(line: str) -> list[Token]:
    """Split a line at white space only, for text that is tokenised already."""
    return [Token(match[0], *match.span()) for match in re.finditer(r"\S+", line)]
