"""Typed spans read from tags, strictly by one scheme or as conlleval does, and tags written from spans.

| scheme | first word | further words | last word | single word |
|---|---|---|---|---|
| `io` | I | I | I | I |
| `iob1` | I, or B directly after a span of the same type | I | I | I or B |
| `iob2` | B | I | I | B |
| `bioes` | B | I | E | S |

A tag is `O`, or a prefix, a dash and a type (`B-PER`). Types may contain dashes. L and U of BILOU are read as
E and S, and M of BMES as I. Any other tag is a bare label without a prefix: `PER` means `I-PER` and is
well-formed in `io` only.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

Scheme = Literal["iob1", "iob2", "bioes", "io", "none"]

OUTSIDE = "O"

_READ_AS = {"B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S", "M": "I"}

#: The prefixes of all schemes.
PREFIXES = "".join(_READ_AS)


class Span(NamedTuple):
    """A typed sequence of words, from position `first` to position `last`, both included."""

    type: str
    first: int
    last: int


class Tag(NamedTuple):
    """A tag split into prefix and type."""

    prefix: str  # "O", "B", "I", "E" or "S"; "" for a bare label
    type: str  # "" for "O" alone


_OUTSIDE_TAG = Tag(OUTSIDE, "")


@lru_cache(maxsize=4096)
def split_tag(tag: str) -> Tag:
    """Split a tag into prefix and type: `("B", "PER")`, `("O", "")`, and `("", "PER")` for a bare label.

    L, U and M become E, S and I. Types may contain dashes: only the first one splits. A tag with another
    prefix or without a type, such as `X-PER` or `B-`, is a bare label as a whole.

    Raises:
        ValueError: if the tag is empty.
    """
    if not tag:
        raise ValueError("a tag is empty")
    if tag == OUTSIDE:
        return _OUTSIDE_TAG
    letter, _, type_ = tag.partition("-")
    if type_ and letter in _READ_AS:
        return Tag(_READ_AS[letter], type_)
    return Tag("", tag)


def lenient_spans(tags: Sequence[str]) -> list[Span]:
    """Read spans as conlleval does for all schemes: every word that is not O belongs to a span.

    A span starts at B and S, after O, E and S, and where the type changes. The words of a span have one type;
    positions count from 0. Tags without prefixes, such as parts of speech, give spans too.

    Raises:
        ValueError: if a tag is empty.
    """
    spans: list[Span] = []
    before = _OUTSIDE_TAG
    for position, tag in enumerate(map(split_tag, tags)):
        if tag.prefix != OUTSIDE:
            if tag.prefix in ("B", "S") or before.prefix in ("E", "S") or before.type != tag.type:
                spans.append(Span(tag.type, position, position))
            else:
                spans[-1] = spans[-1]._replace(last=position)
        before = tag
    return spans


def strict_spans(tags: Sequence[str], scheme: Scheme) -> list[Span]:
    """Read the well-formed spans of one scheme; ill-formed tags give no span, and `none` has no spans.

    Ill-formed tags are read as in the strict mode of seqeval. Positions count from 0, in ascending order.

    Raises:
        ValueError: if a tag is empty, unless the scheme is `none`.
        KeyError: if the scheme is not a `Scheme`.
    """
    if scheme == "none":
        return []
    # An outside tag on either side gives every word two neighbours.
    parsed = [_OUTSIDE_TAG, *map(split_tag, tags), _OUTSIDE_TAG]
    if scheme == "io":
        parsed = [tag._replace(prefix="I") if tag.prefix == "" else tag for tag in parsed]
    spans: list[Span] = []
    first = 1
    while first < len(parsed) - 1:
        if not _starts(parsed[first - 1], parsed[first], scheme):
            first += 1
            continue
        last = first
        while _continues(parsed[last], parsed[last + 1], scheme):
            last += 1
        if _ends(parsed[last], parsed[last + 1], scheme):
            spans.append(Span(parsed[first].type, first - 1, last - 1))
        first = last + 1
    return spans


# Prefixes that start a span of two or more words or of one word. In `iob1`, B may start a span too.
_FIRST_PREFIXES = {"io": ("I",), "iob1": ("I",), "iob2": ("B",), "bioes": ("B", "S")}


def _starts(before: Tag, tag: Tag, scheme: Scheme) -> bool:
    """Return True if a span may start at `tag`, given that no span continues from `before`."""
    # The word of an I before an I of its type is in no span here: otherwise that span would continue.
    adjacent = before.prefix in ("I", "B") and before.type == tag.type
    return tag.prefix in _FIRST_PREFIXES[scheme] or (scheme == "iob1" and tag.prefix == "B" and adjacent)


def _continues(tag: Tag, after: Tag, scheme: Scheme) -> bool:
    """Return True if a span that contains the word of `tag` contains the next word too."""
    inside = ("I", "E") if scheme == "bioes" else ("I",)
    return tag.prefix in ("B", "I") and after.prefix in inside and tag.type == after.type


def _ends(tag: Tag, after: Tag, scheme: Scheme) -> bool:
    """Return True if a span may end at `tag`, given that it does not continue to `after`.

    A span that may not end there is ill-formed and is dropped.
    """
    if scheme == "bioes":
        return tag.prefix in ("E", "S")
    # As in seqeval, a span does not end between two B of different types, of which the second is ill-formed.
    return scheme != "iob1" or not (tag.prefix == after.prefix == "B" and tag.type != after.type)


def span_tags(spans: Iterable[Span], length: int, scheme: Scheme, *, bare: bool = False) -> list[str]:
    """Write spans as the well-formed tags of a sentence of `length` words.

    Args:
        spans: disjoint spans in the order of their words, which is not checked. `io` cannot separate adjacent
            spans of one type.
        length: number of words; those outside of all spans get "O".
        scheme: the scheme to write.
        bare: write types alone (`PER`), in `io` only.

    Raises:
        ValueError: if the scheme is `none`, or `bare` is set for another scheme than `io`.
        IndexError: if a span ends beyond the sentence.
    """
    if scheme == "none":
        raise ValueError("spans cannot be written in the scheme 'none'")
    if bare and scheme != "io":
        raise ValueError(f"bare labels are written in the scheme 'io' only, not in {scheme!r}")
    tags = [OUTSIDE] * length
    before: Span | None = None
    for span in spans:
        adjacent = before is not None and before.type == span.type and before.last + 1 == span.first
        for position, prefix in enumerate(_prefixes(span, adjacent, scheme), span.first):
            tags[position] = span.type if bare else f"{prefix}-{span.type}"
        before = span
    return tags


def _prefixes(span: Span, adjacent: bool, scheme: Scheme) -> str:
    """Return the prefix letters of a span's words as a string, such as "BIE".

    Args:
        span: the span.
        adjacent: True if it directly follows a span of its type.
        scheme: any but `none`.
    """
    further = span.last - span.first
    if scheme == "bioes":
        return f"B{'I' * (further - 1)}E" if further else "S"
    starts_with_b = scheme == "iob2" or (scheme == "iob1" and adjacent)
    return ("B" if starts_with_b else "I") + "I" * further


def ill_formed_words(tags: Sequence[str], scheme: Scheme) -> list[int]:
    """List the positions of ill-formed tags, which differ from the scheme's tags for the lenient spans.

    Positions count from 0. The list is empty if the tags are well-formed, and for the scheme `none`. L, U and
    M count as E, S and I,
    and bare labels are well-formed in `io`.

    Raises:
        ValueError: if a tag is empty, unless the scheme is `none`.
    """
    if scheme == "none":
        return []
    written = span_tags(lenient_spans(tags), len(tags), scheme)
    pairs = zip(map(split_tag, tags), map(split_tag, written), strict=True)
    return [
        word
        for word, (tag, expected) in enumerate(pairs)
        if tag != expected and not (scheme == "io" and tag == ("", expected.type))
    ]


def count_ill_formed(tags: Sequence[str], scheme: Scheme) -> int:
    """Count the ill-formed tags that `ill_formed_words` lists; raise as it does."""
    return len(ill_formed_words(tags, scheme))
