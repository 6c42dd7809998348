"""Tags that are likely mistakes: of another scheme, in another notation, without a prefix."""

import re
from collections import Counter
from collections.abc import Iterator

from mlmt_jax.check.scan import Scan
from mlmt_jax.metrics.spans import OUTSIDE, PREFIXES, Scheme, count_ill_formed, ill_formed_words, split_tag
from mlmt_jax.text.column_guess import SPAN_TAG
from mlmt_jax.text.findings import Finding, join_examples
from mlmt_jax.text.tag_schemes import detect_scheme

# Other notations of ``B-PER``: ``B_PER``, ``b-per``, ``B PER``, ``PER-B``.
_MARKED = re.compile(rf"([{PREFIXES}{PREFIXES.lower()}])[\W_]\w.*|\w.*[-_]([{PREFIXES}])")

# Small o, zero, and the O of Cyrillic and Greek.
_LIKE_OUTSIDE = ("o", "0", "\u041e", "\u043e", "\u039f", "\u03bf")

_MAX_TYPES = 5  # findings about single span types


def find_tag_mistakes(scan: Scan, scheme: Scheme, *, are_bare: bool) -> Iterator[Finding]:
    """Yield findings about another scheme, tags without a prefix, and span types that differ only in case.

    Args:
        scan: the file.
        scheme: the scheme of its data set; for `none` there are no findings.
        are_bare: whether the data set writes IO tags without a prefix.
    """
    if scheme != "none":
        yield from _find_other_scheme(scan, scheme)
        yield from _find_bare_tags(scan, are_bare=are_bare)
        yield from _find_types_in_other_case(scan)


def find_likely_spans(scan: Scan) -> Iterator[Finding]:
    """Yield a finding if tags of single words are likely to be spans: most words have the same tag."""
    counts = Counter(tag for tag, _ in _tags_and_lines(scan))
    (usual, most), *others = counts.most_common() or [("", 0)]
    if not others or 2 * most <= counts.total():
        return
    matches = [_MARKED.fullmatch(tag.strip("\"'")) for tag, _ in others]
    prefixes = [match[1] or match[2] for match in matches if match]
    if 2 * len(prefixes) > len(others) and not {"B", "I"}.isdisjoint(map(str.upper, prefixes)):
        tags = [tag for tag in counts if not SPAN_TAG.fullmatch(tag)]
        text = "spans, most likely, with tags that are not written as O, B-PER, I-PER"
        advice = "write them so; otherwise each word counts by itself"
    elif usual == OUTSIDE and {tag for tag, _ in others} <= set(PREFIXES):
        tags = [tag for tag, _ in others]
        text = "spans, most likely, whose tags have a prefix and no type"
        advice = 'write a type behind each prefix, such as "B-X"; otherwise each word counts by itself'
    elif usual == OUTSIDE:
        tags = [others[0][0]]
        text = "tags of single words, most of which are O: spans without prefixes?"
        advice = 'for spans without prefixes set parser.scheme to "io"; otherwise each word counts by itself'
    else:
        return
    if tags:
        line = next(line for tag, line in _tags_and_lines(scan) if tag == tags[0])
        yield Finding(scan.path, line, text, example=join_examples(tags), advice=advice)


def _tags_and_lines(scan: Scan) -> Iterator[tuple[str, int]]:
    """Yield every tag of a file with its line."""
    for sentence in scan.sentences:
        yield from zip(sentence.tags, sentence.lines, strict=True)


def _find_bare_tags(scan: Scan, *, are_bare: bool) -> Iterator[Finding]:
    """Yield a finding about tags that look like O, and one about other tags without a prefix.

    Args:
        scan: the file.
        are_bare: whether tags without a prefix are right.
    """
    bare = [(tag, line) for tag, line in _tags_and_lines(scan) if not split_tag(tag)[0]]
    like_outside = [place for place in bare if place[0] in _LIKE_OUTSIDE]
    others = [] if are_bare else [place for place in bare if place[0] not in _LIKE_OUTSIDE]
    advice = "it is read as a span of a type of that name"
    for text, places, write in (
        ("a tag that looks like O and is not", like_outside, ascii),
        ("a tag without a prefix", others, repr),
    ):
        if places:
            example = join_examples((tag for tag, _ in places), write)
            yield Finding(scan.path, places[0][1], text, len(places), None, example, advice)


def _find_other_scheme(scan: Scan, scheme: Scheme) -> Iterator[Finding]:
    """Yield a finding if the tags of a file fit another scheme much better than their data set's."""
    tags = [sentence.tags for sentence in scan.sentences]
    ill_formed = sum(count_ill_formed(part, scheme) for part in tags)
    detected = detect_scheme(tags) if ill_formed else scheme
    bare = sum(not split_tag(tag)[0] for tag, _ in _tags_and_lines(scan))
    # A few slips make no other scheme, and a few tags without a prefix have a finding of their own.
    if (
        detected == scheme
        or (detected == "none" and 2 * bare < sum(map(len, tags)))
        or 2 * sum(count_ill_formed(part, detected) for part in tags) > ill_formed
    ):
        return
    first = next(s for s in scan.sentences if count_ill_formed(s.tags, scheme))
    word = ill_formed_words(first.tags, scheme)[0]
    name = "tags of single words" if detected == "none" else detected.upper()
    text = f"the tags look like {name}, and those of the data set like {scheme.upper()}"
    advice = f"all its files are read as {scheme.upper()}: {ill_formed} tags of this one are ill-formed in it"
    yield Finding(scan.path, first.lines[word], text, 1, None, repr(first.tags[word]), advice)


def _find_types_in_other_case(scan: Scan) -> Iterator[Finding]:
    """Yield a finding for each span type that differs from another only in case; one if there are many."""
    lines: dict[str, list[int]] = {}  # by span type
    for tag, line in _tags_and_lines(scan):
        lines.setdefault(split_tag(tag)[1], []).append(line)
    by_lower_case: dict[str, list[str]] = {}
    for span_type in sorted(lines):
        by_lower_case.setdefault(span_type.lower(), []).append(span_type)
    groups = [types for types in by_lower_case.values() if len(types) > 1]
    rarest = [min(types, key=lambda span_type: len(lines[span_type])) for types in groups]
    advice = "they are read as different types"
    if len(groups) > _MAX_TYPES:  # a column that holds something else
        text = "span type that differs from another only in case"
        example = join_examples(span_type for types in groups for span_type in types)
        yield Finding(scan.path, lines[rarest[0]][0], text, len(groups), example=example, advice=advice)
        return
    for types, rare in zip(groups, rarest, strict=True):
        others = ", ".join(repr(span_type) for span_type in types if span_type != rare)
        text = f"span type {rare!r} differs from {others} only in case"
        yield Finding(scan.path, lines[rare][0], text, len(lines[rare]), advice=advice)
