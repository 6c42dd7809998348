"""Tag schemes of files: found out, read into BIOES for training, and written back for the reader."""

import itertools
import re
from collections.abc import Iterable, Sequence

from mlmt_jax.metrics.spans import (
    OUTSIDE,
    Scheme,
    count_ill_formed,
    lenient_spans,
    span_tags,
    split_tag,
)

# Of schemes that fit equally well the first is taken: a file that holds only O is taken for iob2, one
# without B for io, and iob1 needs a B between two spans of one type.
_CANDIDATES: tuple[Scheme, ...] = ("iob2", "bioes", "io", "iob1")

_BIOES = re.compile(r"O|[BIES]-.+", re.DOTALL)


def detect_scheme(train: Iterable[Sequence[str]], **others: Iterable[Sequence[str]]) -> Scheme:
    """Find the scheme of a data set from all tags of its training file.

    Tags mark spans if most of those that are not O have a prefix (B-, I-, E-, S-; L-, U-; M-); in a file
    without O, where all words lie in spans, every tag must have one. Otherwise the scheme is `none`:
    parts of speech, a few of which may look like `B-x`, and also bare labels (`PER`, `O`), which cannot
    be told from them: for spans so written the config must say `io`. A file without tags is `none`.

    Among the span schemes it is the one in which the fewest tags are ill-formed, so that a few slips do
    not decide: IOB2 with two stray I- at the start of spans stays IOB2.

    Args:
        train: the tags of each sentence.
        others: those of its other files by split, which decide what the training file leaves open.
    """
    own = list(train)
    every = [*own, *itertools.chain(*others.values())]
    decisive = own if any(tag != OUTSIDE for tags in own for tag in tags) else every
    prefixes = [split_tag(tag)[0] for tags in decisive for tag in tags]
    outside = prefixes.count(OUTSIDE)
    bare = prefixes.count("")
    prefixed = len(prefixes) - outside - bare
    if not prefixes or (bare and (not outside or prefixed <= bare)):
        return "none"

    def ill_formed(scheme: Scheme, files: Iterable[Sequence[str]]) -> int:
        # IO alone takes bare labels, which are slips here: most tags have a prefix.
        slips = sum(split_tag(tag)[0] == "" for tags in files for tag in tags) if scheme == "io" else 0
        return slips + sum(count_ill_formed(tags, scheme) for tags in files)

    return min(_CANDIDATES, key=lambda scheme: (ill_formed(scheme, own), ill_formed(scheme, every)))


def has_bare_labels(sentences: Iterable[Sequence[str]]) -> bool:
    """Say whether `io` tags are written as types alone: most tags that are not O have no prefix."""
    prefixes = [split_tag(tag)[0] for tags in sentences for tag in tags]
    return 2 * prefixes.count("") > len(prefixes) - prefixes.count(OUTSIDE)


def to_bioes(tags: Sequence[str], scheme: Scheme) -> tuple[list[str], int]:
    """Convert tags of a scheme to well-formed BIOES, ill-formed ones repaired as conlleval reads them.

    Args:
        tags: the tags of one sentence; `io` may write `PER` for `I-PER`.
        scheme: the scheme they are in; tags of `none` come back as they are.

    Returns:
        The BIOES tags, and how many of the given ones were ill-formed in their scheme.
    """
    if scheme == "none":
        return list(tags), 0
    return span_tags(lenient_spans(tags), len(tags), "bioes"), count_ill_formed(tags, scheme)


def from_bioes(tags: Sequence[str], scheme: Scheme, *, bare: bool = False) -> list[str]:
    """Convert BIOES tags to well-formed tags of a scheme; ill-formed predictions are read as conlleval does.

    The repair hides what strict scores count as wrong, so score predictions before it.

    Args:
        tags: the tags of one sentence; for `none` they come back as they are.
        scheme: the scheme to write.
        bare: write types alone (`PER` for `I-PER`), in `io` only.

    Raises:
        ValueError: `bare` with a span scheme other than `io`.
    """
    if scheme == "none":
        return list(tags)
    return span_tags(lenient_spans(tags), len(tags), scheme, bare=bare)


def is_bioes(tag: str) -> bool:
    """Say whether a tag is O, or B-, I-, E- or S- and a type."""
    return bool(_BIOES.fullmatch(tag))


def tags_of_task(seen: Iterable[str], *, spans: bool) -> tuple[str, ...]:
    """List the tags of a task, in the order of their indices, from those that were seen in its data."""
    if spans:
        return tuple(tag_names(split_tag(tag)[1] for tag in seen if tag != OUTSIDE))
    return tuple(sorted(set(seen)))


def tag_names(span_types: Iterable[str]) -> list[str]:
    """List every BIOES tag of some span types: O, then B-, I-, E- and S- of each type in sorted order."""
    types = sorted(set(span_types))
    return [OUTSIDE, *(f"{prefix}-{type_}" for type_ in types for prefix in "BIES")]
