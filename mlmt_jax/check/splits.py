"""Sentences that are very long, or that several files have."""

from collections.abc import Collection, Mapping

from mlmt_jax.check.scan import Scan
from mlmt_jax.text.findings import Finding

__all__ = ["find_between_datasets", "find_between_splits", "find_long_sentences"]

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
