"""Tags read as typed spans, strictly in one scheme or as conlleval reads them all, and spans written as tags.

| scheme | first word | further words | last word | single word |
|---|---|---|---|---|
| `io` | I | I | I | I |
| `iob1` | I, or B right after a span of the same type | I | I | I or B |
| `iob2` | B | I | I | B |
| `bioes` | B | I | E | S |

A tag is `O` or a prefix, a dash and a type (`B-PER`); types may hold dashes. BILOU's L and U are read as
E and S, and the M of BMES as I. Any other tag is a bare label, of no prefix: `PER` stands for `I-PER`,
well-formed in `io` only.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

Scheme = Literal["iob1", "iob2", "bioes", "io", "none"]

OUTSIDE = "O"

_READ_AS = {"B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S", "M": "I"}

#: The letters before the dash of a tag, of all schemes.
PREFIXES = "".join(_READ_AS)


class Span(NamedTuple):
    """A typed stretch of words; `first` and `last` are word positions, both inside the span."""

    type: str
    first: int
    last: int


class _Tag(NamedTuple):
    prefix: str  # "O", "B", "I", "E" or "S"; "" for a bare label
    type: str  # "" for "O" alone


_OUTSIDE_TAG = _Tag(OUTSIDE, "")


@lru_cache(maxsize=4096)
def _parse(tag: str) -> _Tag:
    if not tag:
        raise ValueError("a tag is empty")
    if tag == OUTSIDE:
        return _OUTSIDE_TAG
    letter, _, type_ = tag.partition("-")
    if type_ and letter in _READ_AS:
        return _Tag(_READ_AS[letter], type_)
    return _Tag("", tag)


def split_tag(tag: str) -> tuple[str, str]:
    """Split a tag into prefix and type: `("B", "PER")`, `("O", "")`, and `("", "PER")` for a bare label.

    Raises:
        ValueError: the tag is empty.
    """
    return _parse(tag)


def lenient_spans(tags: Sequence[str]) -> list[Span]:
    """Read the spans as conlleval does, whatever the scheme: every word that is not O lies in a span.

    A span starts at B and S, after O, after E and S, and where the type changes.
    """
    spans: list[Span] = []
    before = _OUTSIDE_TAG
    for position, tag in enumerate(map(_parse, tags)):
        if tag.prefix != OUTSIDE:
            if tag.prefix in ("B", "S") or before.prefix in ("E", "S") or before.type != tag.type:
                spans.append(Span(tag.type, position, position))
            else:
                spans[-1] = spans[-1]._replace(last=position)
        before = tag
    return spans


def strict_spans(tags: Sequence[str], scheme: Scheme) -> list[Span]:
    """Read the well-formed spans of one scheme; ill-formed pieces give no span, and `none` has none.

    The reading of ill-formed tags is that of seqeval's strict mode.
    """
    if scheme == "none":
        return []
    # A tag of no span on either side, so that every word has two neighbours.
    parsed = [_OUTSIDE_TAG, *map(_parse, tags), _OUTSIDE_TAG]
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


def _starts(before: _Tag, tag: _Tag, scheme: Scheme) -> bool:
    match scheme:
        case "io":
            return tag.prefix == "I"
        case "iob1":
            # An I of the type before it is met here only if that word is in no span.
            adjacent = before.prefix in ("I", "B") and before.type == tag.type
            return tag.prefix == "I" or (tag.prefix == "B" and adjacent)
        case "iob2":
            return tag.prefix == "B"
        case _:
            return tag.prefix in ("B", "S")


def _continues(tag: _Tag, after: _Tag, scheme: Scheme) -> bool:
    inside = ("I", "E") if scheme == "bioes" else ("I",)
    return tag.prefix in ("B", "I") and after.prefix in inside and tag.type == after.type


def _ends(tag: _Tag, after: _Tag, scheme: Scheme) -> bool:
    match scheme:
        case "bioes":
            return tag.prefix in ("E", "S")
        case "iob1":
            # seqeval knows no end between two B of different types, of which the second is ill-formed.
            return not (tag.prefix == after.prefix == "B" and tag.type != after.type)
        case _:
            return True


def span_tags(spans: Iterable[Span], length: int, scheme: Scheme, *, bare: bool = False) -> list[str]:
    """Write spans as the well-formed tags of a sentence of `length` words.

    Args:
        spans: disjoint spans in the order of their words. `io` cannot part adjacent spans of one type.
        length: the number of words.
        scheme: the scheme to write.
        bare: write the types alone (`PER`), which only `io` can do.

    Raises:
        ValueError: the scheme is `none`, or cannot be written bare.
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
    further = span.last - span.first
    if scheme == "bioes":
        return f"B{'I' * (further - 1)}E" if further else "S"
    starts_with_b = scheme == "iob2" or (scheme == "iob1" and adjacent)
    return ("B" if starts_with_b else "I") + "I" * further


def ill_formed_words(tags: Sequence[str], scheme: Scheme) -> list[int]:
    """List the words whose tags differ from what the scheme writes for the spans that conlleval reads.

    None says that the tags are well-formed; `none` asks nothing of them.
    """
    if scheme == "none":
        return []
    written = span_tags(lenient_spans(tags), len(tags), scheme)
    may_be_bare = scheme == "io"
    return [
        word
        for word, (found, expected) in enumerate(zip(map(_parse, tags), map(_parse, written), strict=True))
        if found != expected and not (may_be_bare and found.prefix == "" and found.type == expected.type)
    ]


def count_ill_formed(tags: Sequence[str], scheme: Scheme) -> int:
    """Count the tags that are ill-formed in a scheme, as `ill_formed_words` has them."""
    return len(ill_formed_words(tags, scheme))
