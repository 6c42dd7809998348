"""Slow, explicit implementations of tag schemes that import nothing of the code under test."""

from collections.abc import Iterator, Sequence
from itertools import product

OracleSpan = tuple[str, int, int]

PREFIXES = {"io": "I", "iob1": "BI", "iob2": "BI", "bioes": "BIES"}
SCHEMES = tuple(PREFIXES)

# Pairs of prefixes of neighbouring words of one type between which a span ends and another starts, as in
# conlleval's endOfChunk and startOfChunk.
BREAKS = {"BB", "BS", "IB", "IS", "EB", "EI", "EE", "ES", "SB", "SI", "SE", "SS"}


def conlleval_spans(tags: Sequence[str]) -> list[OracleSpan]:
    """Return the spans of possibly ill-formed tags, as the conlleval script reads them."""
    spans = []
    prefix_before, type_before, start = "O", "", 0
    for position, tag in enumerate([*tags, "O"]):
        prefix, _, type_ = tag.partition("-")
        pair = prefix_before + prefix
        # If the types differ (O has none), the previous span ends, and a new one starts unless the word is O.
        differ = type_before != type_
        if prefix_before != "O" and (differ or pair in BREAKS):
            spans.append((type_before, start, position - 1))
        if prefix != "O" and (differ or pair in BREAKS):
            start = position
        prefix_before, type_before = prefix, type_
    return spans


def render(spans: Sequence[OracleSpan], length: int, scheme: str) -> tuple[str, ...]:
    """Return the tags of disjoint spans over `length` words in a scheme."""
    words = {}
    for type_, first, last in spans:
        for position in range(first, last + 1):
            is_first, is_last = position == first, position == last
            prefix = {
                "io": "I",
                "iob1": "I",
                "iob2": {True: "B", False: "I"}[is_first],
                "bioes": {(1, 0): "B", (0, 0): "I", (0, 1): "E", (1, 1): "S"}[is_first, is_last],
            }[scheme]
            if scheme == "iob1" and is_first and any(t == type_ and e == first - 1 for t, _, e in spans):
                prefix = "B"
            words[position] = f"{prefix}-{type_}"
    return tuple(words.get(position, "O") for position in range(length))


def segmentations(length: int, types: Sequence[str], start: int = 0) -> Iterator[list[OracleSpan]]:
    """Yield every set of disjoint spans of some types over the words from `start` on."""
    if start == length:
        yield []
        return
    yield from segmentations(length, types, start + 1)
    for type_, last in product(types, range(start, length)):
        for rest in segmentations(length, types, last + 1):
            yield [(type_, start, last), *rest]


def touching(spans: Sequence[OracleSpan]) -> bool:
    """Return True if two adjacent spans have the same type, which IO cannot write."""
    return any(a[0] == b[0] and a[2] + 1 == b[1] for a in spans for b in spans)


def well_formed(length: int, types: Sequence[str], scheme: str) -> dict[tuple[str, ...], list[OracleSpan]]:
    """Return every well-formed tag sequence of a length, with its spans."""
    return {
        render(spans, length, scheme): spans
        for spans in segmentations(length, types)
        if scheme != "io" or not touching(spans)
    }


def sequences(length: int, types: Sequence[str], prefixes: str) -> Iterator[tuple[str, ...]]:
    """Yield every tag sequence of a length, well-formed or not."""
    return product(["O", *(f"{p}-{t}" for p in prefixes for t in types)], repeat=length)
