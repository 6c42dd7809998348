"""Very long sentences, and sentences that stand in several files."""

from collections.abc import Collection, Iterator, Mapping

from mlmt_jax.check.scan import Scan
from mlmt_jax.text.findings import Finding

_MAX_WORDS = 250  # hardly a sentence of any corpus is longer
_MIN_WORDS = 5  # shorter sentences ("Yes .") recur by chance


def find_long_sentences(scan: Scan, max_len: int | None) -> Iterator[Finding]:
    """Yield a finding if a file has sentences of more than 250 words: empty lines may be missing.

    Args:
        scan: the file.
        max_len: length above which training leaves sentences out, with a finding of its own; None if it
            reads all of them.
    """
    long = [s for s in scan.sentences if _MAX_WORDS < len(s.tokens) <= (max_len or len(s.tokens))]
    if long:
        text = f"a sentence of more than {_MAX_WORDS} words"
        example = f"{len(long[0].tokens)} words from {long[0].tokens[0]!r}"
        advice = "it is read as one sentence, which costs time and memory; are empty lines missing?"
        yield Finding(scan.path, long[0].line, text, len(long), example=example, advice=advice)


def find_between_splits(scans: Mapping[str, Scan]) -> Iterator[Finding]:
    """Yield findings about sentences that stand in an earlier file of the same data set too.

    Args:
        scans: the files of a data set by split, the training file first.
    """
    first_places: dict[tuple[str, ...], tuple[str, int]] = {}  # split and line of each sentence
    for split, scan in scans.items():
        repeats: dict[str, list[tuple[int, int]]] = {}  # by earlier split: lines in this file and in that one
        for sentence in scan.sentences:
            if len(sentence.tokens) >= _MIN_WORDS:
                other, line = first_places.setdefault(sentence.tokens, (split, sentence.line))
                if other != split:
                    repeats.setdefault(other, []).append((sentence.line, line))
        for other, places in repeats.items():
            advice = "it counts in the scores of both"
            if other == "train":
                advice = f"scores on {split} may be too high, since training has seen it"
            yield _repeats(scan, scans[other], f"a sentence of {split} that {other}", places, advice)


def find_between_datasets(
    scans: Mapping[str, Mapping[str, Scan]], name: str, same_task: Collection[str]
) -> Iterator[Finding]:
    """Yield findings about sentences of a data set's dev and test files on which other data sets train.

    Args:
        scans: all files, by data set and split.
        name: the data set.
        same_task: the data sets of its task.
    """
    for other, other_scans in scans.items():
        source = other_scans.get("train")
        if other == name or source is None:
            continue
        lines = {sentence.tokens: sentence.line for sentence in reversed(source.sentences)}
        for split, scan in scans[name].items():
            places = [
                (sentence.line, lines[sentence.tokens])
                for sentence in scan.sentences
                if len(sentence.tokens) >= _MIN_WORDS and sentence.tokens in lines
            ]
            if places and split != "train":
                part = "its tags are" if other in same_task else "its words, not its tags, are"
                advice = f"{part} trained on there: scores on {split} may be too high"
                text = f"a sentence of {split} that the training data of {other!r}"
                yield _repeats(scan, source, text, places, advice)


def _repeats(scan: Scan, source: Scan, text: str, places: list[tuple[int, int]], advice: str) -> Finding:
    """Return the finding that sentences of a file stand in a source too.

    Args:
        scan: the file.
        source: the other file.
        text: the beginning of the message, which names both.
        places: the lines of each sentence, in the file and in the source.
        advice: the consequence.
    """
    line, source_line = places[0]
    share = f"{len(places) / len(scan.sentences):.1%} of the file's sentences"
    example, advice = f"{source.path}:{source_line}", f"{advice} ({share})"
    return Finding(scan.path, line, f"{text} has as well", len(places), example=example, advice=advice)
