"""Tag schemes of files: their detection, and conversion to and from BIOES, the scheme of training."""

import itertools
import re
from collections.abc import Iterable, Sequence

from mlmt_jax.metrics.spans import OUTSIDE, Scheme, count_ill_formed, lenient_spans, span_tags, split_tag

# If several schemes fit equally well, the first is taken: a file of O alone is iob2, one without B is io, and
# iob1 needs a B between two spans of one type.
_CANDIDATES: tuple[Scheme, ...] = ("iob2", "bioes", "io", "iob1")

_BIOES = re.compile(r"O|[BIES]-.+", re.DOTALL)


def detect_scheme(train: Iterable[Sequence[str]], **others: Iterable[Sequence[str]]) -> Scheme:
    """Detect the scheme of a data set from the tags of its training file.

    Tags are spans if most tags other than O have a prefix (B-, I-, E-, S-; L-, U-; M-). In a file without O,
    every tag must have one. Otherwise the scheme is `none`: parts of speech, a few of which may look like
    `B-x`. Bare labels (`PER`, `O`) look like parts of speech: for spans without prefixes the config must say
    `io`. A file without tags is `none`.

    Of the span schemes, the one with the fewest ill-formed tags is taken, so that a few slips do not decide.

    Args:
        train: the tags of each sentence.
        others: the tags of the other files, by split; used if the training file fits several schemes.
    """
    train = list(train)
    everything = [*train, *itertools.chain(*others.values())]
    decisive = train if any(tag != OUTSIDE for tags in train for tag in tags) else everything
    prefixes = [split_tag(tag)[0] for tags in decisive for tag in tags]
    outside = prefixes.count(OUTSIDE)
    bare = prefixes.count("")
    prefixed = len(prefixes) - outside - bare
    if not prefixes or (bare and (not outside or prefixed <= bare)):
        return "none"

    def ill_formed(scheme: Scheme, sentences: Iterable[Sequence[str]]) -> int:
        # Bare labels are well-formed in IO, but they are slips here, since most tags have a prefix.
        slips = sum(split_tag(tag)[0] == "" for tags in sentences for tag in tags) if scheme == "io" else 0
        return slips + sum(count_ill_formed(tags, scheme) for tags in sentences)

    counts: dict[Scheme, tuple[int, int]] = {}
    for scheme in _CANDIDATES:
        counts[scheme] = ill_formed(scheme, train), ill_formed(scheme, everything)
        if counts[scheme] == (0, 0):
            break
    return min(counts, key=counts.__getitem__)


def has_bare_labels(sentences: Iterable[Sequence[str]]) -> bool:
    """Return True if most tags other than O have no prefix, as in `io` files that write types alone."""
    prefixes = [split_tag(tag)[0] for tags in sentences for tag in tags]
    return 2 * prefixes.count("") > len(prefixes) - prefixes.count(OUTSIDE)


def to_bioes(tags: Sequence[str], scheme: Scheme) -> tuple[list[str], int]:
    """Convert tags of a scheme to well-formed BIOES; repair ill-formed ones as conlleval reads them.

    Args:
        tags: the tags of one sentence; `io` may write `PER` for `I-PER`.
        scheme: the scheme of the tags; tags of `none` are not changed.

    Returns:
        The BIOES tags, and the number of tags that were ill-formed in their scheme.

    Raises:
        ValueError: a tag is empty.
    """
    if scheme == "none":
        return list(tags), 0
    return span_tags(lenient_spans(tags), len(tags), "bioes"), count_ill_formed(tags, scheme)


def from_bioes(tags: Sequence[str], scheme: Scheme, *, bare: bool = False) -> list[str]:
    """Convert BIOES tags to well-formed tags of a scheme; repair ill-formed ones as conlleval reads them.

    Compute strict scores before the conversion, since the repair hides errors that they count.

    Args:
        tags: the tags of one sentence; not changed for `none`.
        scheme: the scheme to write.
        bare: whether to write types alone (`PER` for `I-PER`), in `io` only.

    Raises:
        ValueError: `bare` with a span scheme other than `io`.
    """
    if scheme == "none":
        return list(tags)
    return span_tags(lenient_spans(tags), len(tags), scheme, bare=bare)


def is_bioes(tag: str) -> bool:
    """Return True if a tag is O, or B-, I-, E- or S- and a type."""
    return bool(_BIOES.fullmatch(tag))


def tags_of_task(data_tags: Iterable[str], *, spans: bool) -> tuple[str, ...]:
    """Return the tags of a task in the order of their indices, whatever the order of ``data_tags``.

    Args:
        data_tags: all tags of the task's training data, which may repeat.
        spans: True if they are BIOES spans: the tags are O, then B, I, E and S of each span type in the order
            of `tag_names`, also those that do not occur. Otherwise they are the distinct tags, sorted.
    """
    if spans:
        return tuple(tag_names(split_tag(tag)[1] for tag in data_tags if tag != OUTSIDE))
    return tuple(sorted(set(data_tags)))


def tag_names(span_types: Iterable[str]) -> list[str]:
    """Return the BIOES tags of span types: O, then B-, I-, E- and S- of each type in sorted order."""
    types = sorted(set(span_types))
    return [OUTSIDE, *(f"{prefix}-{type_}" for type_ in types for prefix in "BIES")]
