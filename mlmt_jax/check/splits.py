"""What only the files of a data set together show: schemes, spans, repeated and very long sentences."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from mlmt_jax.check.scan import Scan
from mlmt_jax.data.findings import Finding, shown
from mlmt_jax.data.tags import detect_scheme
from mlmt_jax.metrics.spans import OUTSIDE, Scheme, count_ill_formed, ill_formed_words, split_tag

__all__ = [
    "find_between_datasets",
    "find_between_splits",
    "find_long_sentences",
    "find_spans_without_prefix",
    "find_tag_mistakes",
]

# ``B_PER``, ``B:PER``: what should be ``B-PER``.
_OTHER_PREFIX = re.compile(r"(?:[BIESLUbieslu](?:[^\w\s-]|_)|[bieslu]-)\w")

_LONG = 250  # words; hardly a sentence of any corpus is longer
_TOO_SHORT_TO_REPEAT = 5  # words; shorter sentences ("Yes .") come again by themselves


def find_long_sentences(scan: Scan, longest: int | None) -> list[Finding]:
    """Sentences so long that an empty line is likely to be missing.

    Args:
        scan: the file.
        longest: words above which training leaves sentences out, and says so; None where it does not.
    """
    found = [s for s in scan.sentences if _LONG < len(s.tokens) <= (longest or len(s.tokens))]
    if not found:
        return []
    text = f"a sentence of more than {_LONG} words"
    example = f"{len(found[0].tokens)} words from {found[0].tokens[0]!r}"
    advice = "it is read whole, which costs time and memory; are empty lines missing?"
    return [Finding(scan.path, found[0].line, text, len(found), example=example, advice=advice)]


def find_tag_mistakes(scan: Scan, scheme: Scheme) -> list[Finding]:
    """A scheme that is not the data set's; tags without a prefix; span types that differ in case alone."""
    if scheme == "none":
        return []
    types = {split_tag(tag)[1] for tag, _ in _tags_and_lines(scan)}
    bare = _without_prefix(scan) if scheme != "io" else []
    return [*_other_scheme(scan, scheme), *bare, *_types_in_other_case(scan, types)]


def find_spans_without_prefix(scan: Scan) -> list[Finding]:
    """Tags of single words that are likely to be spans: most of them are O."""
    counts = Counter(tag for tag, _ in _tags_and_lines(scan))
    if len(counts) < 2 or 2 * counts[OUTSIDE] <= counts.total():
        return []
    tag, line = next((tag, line) for tag, line in _tags_and_lines(scan) if tag != OUTSIDE)
    text = "tags of single words, most of which are O: spans without prefixes?"
    advice = 'for spans so written set parser.scheme to "io"; now each word counts for itself'
    marked = [name for name in counts if name != OUTSIDE and not _OTHER_PREFIX.match(name)]
    if not marked:
        text = "spans whose prefix is not parted by a dash"
        advice = 'expected "B-PER", "I-PER" and so on; now each word counts for itself'
    return [Finding(scan.path, line, text, example=repr(tag), advice=advice)]


def _tags_and_lines(scan: Scan) -> Iterator[tuple[str, int]]:
    """Every tag of a file with its line."""
    for sentence in scan.sentences:
        yield from zip(sentence.tags, sentence.lines, strict=True)


def _without_prefix(scan: Scan) -> list[Finding]:
    bare = [(tag, line) for tag, line in _tags_and_lines(scan) if not split_tag(tag)[0]]
    if not bare:
        return []
    example = shown(tag for tag, _ in bare)
    advice = "it is taken for a span of a type of that name"
    return [Finding(scan.path, bare[0][1], "a tag without a prefix", len(bare), None, example, advice)]


def _other_scheme(scan: Scan, scheme: Scheme) -> list[Finding]:
    tags = [sentence.tags for sentence in scan.sentences]
    ill_formed = sum(count_ill_formed(one, scheme) for one in tags)
    if not ill_formed:
        return []
    own = detect_scheme(tags)
    # A few slips do not make another scheme.
    if own == scheme or 2 * sum(count_ill_formed(one, own) for one in tags) > ill_formed:
        return []
    first = next(s for s in scan.sentences if count_ill_formed(s.tags, scheme))
    word = ill_formed_words(first.tags, scheme)[0]
    looks = "tags of single words" if own == "none" else own.upper()
    text = f"the tags look like {looks}, and those of the data set like {scheme.upper()}"
    advice = f"all its files are read as {scheme.upper()}: {ill_formed} tags of this one are ill-formed in it"
    return [Finding(scan.path, first.lines[word], text, 1, None, repr(first.tags[word]), advice)]


def _types_in_other_case(scan: Scan, types: set[str]) -> list[Finding]:
    by_lower_case: dict[str, list[str]] = {}
    for type_ in sorted(types):
        by_lower_case.setdefault(type_.lower(), []).append(type_)
    findings = []
    for same in by_lower_case.values():
        if len(same) == 1:
            continue
        counts = {name: sum(split_tag(tag)[1] == name for tag, _ in _tags_and_lines(scan)) for name in same}
        rare = min(counts, key=lambda name: counts[name])
        line = next(line for tag, line in _tags_and_lines(scan) if split_tag(tag)[1] == rare)
        others = ", ".join(repr(name) for name in same if name != rare)
        text = f"span type {rare!r} differs from {others} in case alone"
        advice = "they are taken for different types"
        findings.append(Finding(scan.path, line, text, counts[rare], advice=advice))
    return findings


def find_between_splits(scans: Mapping[str, Scan]) -> dict[str, list[Finding]]:
    """Sentences of dev and test that an earlier file of the data set has as well, by split."""
    findings: dict[str, list[Finding]] = {}
    seen: dict[tuple[str, ...], tuple[str, int]] = {}
    for split, scan in scans.items():
        repeated: dict[str, list[tuple[int, int]]] = {}
        own = {}
        for sentence in scan.sentences:
            if len(sentence.tokens) < _TOO_SHORT_TO_REPEAT:
                continue
            if sentence.tokens in seen:
                other, line = seen[sentence.tokens]
                repeated.setdefault(other, []).append((sentence.line, line))
            else:
                own.setdefault(sentence.tokens, (split, sentence.line))
        seen |= own
        findings[split] = [
            _repeated(
                scan,
                scans[other],
                split,
                other,
                places,
                f"scores on {split} may be too high by what is learnt by heart"
                if other == "train"
                else "it counts in the scores of both",
            )
            for other, places in repeated.items()
        ]
    return findings


def find_between_datasets(
    scans: Mapping[str, Mapping[str, Scan]], name: str, same_task: Collection[str]
) -> list[Finding]:
    """Sentences of a data set's dev and test on which another data set trains.

    Args:
        scans: by data set and split.
        name: the data set whose scores it is about.
        same_task: the data sets of its task.
    """
    findings = []
    for other, theirs in scans.items():
        if other == name or "train" not in theirs:
            continue
        source = theirs["train"]
        lines = {sentence.tokens: sentence.line for sentence in reversed(source.sentences)}
        for split, scan in scans[name].items():
            places = [
                (sentence.line, lines[sentence.tokens])
                for sentence in scan.sentences
                if split != "train"
                and len(sentence.tokens) >= _TOO_SHORT_TO_REPEAT
                and sentence.tokens in lines
            ]
            if places:
                what = "its tags are" if other in same_task else "its words, not its tags, are"
                advice = f"{what} trained on there: scores on {split} may be too high"
                there = f"the training data of {other!r}"
                findings.append(_repeated(scan, source, split, there, places, advice))
    return findings


def _repeated(
    scan: Scan, source: Scan, split: str, other: str, places: list[tuple[int, int]], advice: str
) -> Finding:
    line, first = places[0]
    text = f"a sentence of {split} that {other} has as well"
    example = f"{source.path}:{first}"
    share = f"{len(places) / len(scan.sentences):.1%} of the file's sentences"
    return Finding(scan.path, line, text, len(places), example=example, advice=f"{advice} ({share})")
