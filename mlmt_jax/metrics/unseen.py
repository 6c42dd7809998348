"""Scores on words that training had, and on those that it had not."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from mlmt_jax.metrics.scores import Counts, Tags, token_spans
from mlmt_jax.metrics.spans import Scheme, Span, strict_spans

__all__ = ["ByWords", "count_by_words"]


class ByWords(NamedTuple):
    """The spans (of a token task, the tokens) all of whose words training had, and the others."""

    seen: Counts
    unseen: Counts


def count_by_words(
    tokens: Iterable[Sequence[str]],
    gold: Iterable[Tags],
    predicted: Iterable[Tags],
    scheme: Scheme,
    words: Collection[str],
) -> ByWords:
    """Counts strict spans, or tokens where the scheme is ``none``: one is unseen if any of its words is.

    Args:
        tokens: of each sentence.
        gold: the right tags, one sequence a sentence.
        predicted: the tagger's, in the same order.
        scheme: of the tags.
        words: that training had, as they stand.
    """
    spans: Callable[[Tags], Iterable[Span]] = lambda tags: strict_spans(tags, scheme)
    if scheme == "none":
        spans = token_spans
    counts = {True: Counts(0, 0, 0), False: Counts(0, 0, 0)}
    for own, g, p in zip(tokens, gold, predicted, strict=True):
        known = [word in words for word in own]
        right, found = set(spans(g)), set(spans(p))
        for seen in counts:
            of_kind = [
                {span for span in some if all(known[span.first : span.last + 1]) == seen}
                for some in (right & found, found, right)
            ]
            counts[seen] += Counts(*map(len, of_kind))
    return ByWords(counts[True], counts[False])
