"""Tags that are likely mistakes: of another scheme, written in another way, without a prefix."""

import re
from collections import Counter
from collections.abc import Iterator

from mlmt_jax.check.scan import Scan
from mlmt_jax.metrics.spans import (
    OUTSIDE,
    PREFIXES,
    Scheme,
    count_ill_formed,
    ill_formed_words,
    split_tag,
)
from mlmt_jax.text.column_guess import SPAN_TAG
from mlmt_jax.text.findings import Finding, join_examples
from mlmt_jax.text.tag_schemes import detect_scheme

__all__ = ["find_likely_spans", "find_tag_mistakes"]

# ``B-PER``, and what should be: ``B_PER``, ``b-per``, ``B PER``, ``PER-B``; without quotes.
_MARKED = re.compile(rf"([{PREFIXES}{PREFIXES.lower()}])[\W_]\w.*|\w.*[-_]([{PREFIXES}])")

# Small o, zero, and Cyrillic and Greek letters.
_LIKE_OUTSIDE = ("o", "0", "\u041e", "\u043e", "\u039f", "\u03bf")

_MOST_TYPES = 5  # told one by one


def find_tag_mistakes(scan: Scan, scheme: Scheme, *, are_bare: bool) -> list[Finding]:
    """A scheme that is not the data set's; tags without a prefix; span types that differ in case alone.

    Args:
        scan: the file.
        scheme: of its data set.
        are_bare: whether the data set writes IO tags without a prefix.
    """
    if scheme == "none":
        return []
    bare = _without_prefix(scan, may_be=are_bare)
    return [*_other_scheme(scan, scheme), *bare, *_types_in_other_case(scan)]


def find_likely_spans(scan: Scan) -> list[Finding]:
    """Tags of single words that are likely to be spans: most words have one and the same."""
    counts = Counter(tag for tag, _ in _tags_and_lines(scan))
    (usual, most), *others = counts.most_common() or [("", 0)]
    if not others or 2 * most <= counts.total():
        return []
    marks = [found[1] or found[2] for tag, _ in others if (found := _MARKED.fullmatch(tag.strip("\"'")))]
    if 2 * len(marks) > len(others) and not {"B", "I"}.isdisjoint(map(str.upper, marks)):
        wrong = [tag for tag in counts if not SPAN_TAG.fullmatch(tag)]
        text = "spans, most likely, with tags that are not written as O, B-PER, I-PER"
        advice = "write them so; now each word counts for itself"
    elif usual == OUTSIDE:
        wrong = [others[0][0]]
        text = "tags of single words, most of which are O: spans without prefixes?"
        advice = 'for spans so written set parser.scheme to "io"; now each word counts for itself'
    else:
        wrong = []
    if not wrong:
        return []
    line = next(line for tag, line in _tags_and_lines(scan) if tag == wrong[0])
    return [Finding(scan.path, line, text, example=join_examples(wrong), advice=advice)]


def _tags_and_lines(scan: Scan) -> Iterator[tuple[str, int]]:
    """Every tag of a file with its line."""
    for sentence in scan.sentences:
        yield from zip(sentence.tags, sentence.lines, strict=True)


def _without_prefix(scan: Scan, *, may_be: bool) -> list[Finding]:
    bare = [(tag, line) for tag, line in _tags_and_lines(scan) if not split_tag(tag)[0]]
    like = [place for place in bare if place[0] in _LIKE_OUTSIDE]
    others = [] if may_be else [place for place in bare if place[0] not in _LIKE_OUTSIDE]
    advice = "it is taken for a span of a type of that name"
    findings = []
    for text, places, write in (
        ("a tag that looks like O and is not", like, ascii),
        ("a tag without a prefix", others, repr),
    ):
        if places:
            example = join_examples((tag for tag, _ in places), write)
            findings.append(Finding(scan.path, places[0][1], text, len(places), None, example, advice))
    return findings


def _other_scheme(scan: Scan, scheme: Scheme) -> list[Finding]:
    tags = [sentence.tags for sentence in scan.sentences]
    ill_formed = sum(count_ill_formed(one, scheme) for one in tags)
    if not ill_formed:
        return []
    own = detect_scheme(tags)
    bare = sum(not split_tag(tag)[0] for tag, _ in _tags_and_lines(scan))
    if own == "none" and 2 * bare < sum(map(len, tags)):
        return []  # a few without a prefix, which are told
    # A few slips do not make another scheme.
    if own == scheme or 2 * sum(count_ill_formed(one, own) for one in tags) > ill_formed:
        return []
    first = next(s for s in scan.sentences if count_ill_formed(s.tags, scheme))
    word = ill_formed_words(first.tags, scheme)[0]
    looks = "tags of single words" if own == "none" else own.upper()
    text = f"the tags look like {looks}, and those of the data set like {scheme.upper()}"
    advice = f"all its files are read as {scheme.upper()}: {ill_formed} tags of this one are ill-formed in it"
    return [Finding(scan.path, first.lines[word], text, 1, None, repr(first.tags[word]), advice)]


def _types_in_other_case(scan: Scan) -> list[Finding]:
    counts: Counter[str] = Counter()
    first: dict[str, int] = {}
    for tag, line in _tags_and_lines(scan):
        type_ = split_tag(tag)[1]
        counts[type_] += 1
        first.setdefault(type_, line)
    by_lower_case: dict[str, list[str]] = {}
    for type_ in sorted(counts):
        by_lower_case.setdefault(type_.lower(), []).append(type_)
    findings = []
    advice = "they are taken for different types"
    for same in by_lower_case.values():
        if len(same) > 1:
            rare = min(same, key=counts.__getitem__)
            others = ", ".join(repr(name) for name in same if name != rare)
            text = f"span type {rare!r} differs from {others} in case alone"
            findings.append(Finding(scan.path, first[rare], text, counts[rare], advice=advice))
    if len(findings) > _MOST_TYPES:  # a column that holds something else
        text = "span type that differs from another in case alone"
        several = join_examples(name for same in by_lower_case.values() if len(same) > 1 for name in same)
        return [Finding(scan.path, findings[0].line, text, len(findings), example=several, advice=advice)]
    return findings
