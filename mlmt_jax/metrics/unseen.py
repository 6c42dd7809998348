"""Counts of spans whose words all occur in the training data, and of the other spans."""

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from mlmt_jax.metrics.scores import Counts, Tags, token_spans
from mlmt_jax.metrics.spans import Scheme, strict_spans


class ByWords(NamedTuple):
    """Counts of the spans (of tokens in a token task) by their words."""

    seen: Counts  # all words occur in the training data
    unseen: Counts  # at least one word does not


def count_by_words(
    tokens: Iterable[Sequence[str]],
    gold: Iterable[Tags],
    predicted: Iterable[Tags],
    scheme: Scheme,
    words: Collection[str],
) -> ByWords:
    """Count strict spans, or tokens if the scheme is ``none``, by whether all their words are known.

    Args:
        tokens: words of each sentence.
        gold: gold tags, one sequence a sentence.
        predicted: predicted tags in the same order. Numbers of tags in a sentence are not checked.
        scheme: the scheme of the tags.
        words: words of the training data, compared exactly (case matters). Pass a set: each word is looked
            up.

    Returns:
        The counts of all sentences together, not by type.

    Raises:
        ValueError: if the numbers of sentences differ, or if a tag of spans is empty.
    """
    spans = token_spans if scheme == "none" else partial(strict_spans, scheme=scheme)
    counts = {True: Counts(), False: Counts()}
    for sentence, gold_tags, predicted_tags in zip(tokens, gold, predicted, strict=True):
        known = [word in words for word in sentence]
        gold_spans, predicted_spans = set(spans(gold_tags)), set(spans(predicted_tags))
        for seen in counts:
            sizes = [
                sum(all(known[span.first : span.last + 1]) == seen for span in group)
                for group in (gold_spans & predicted_spans, predicted_spans, gold_spans)
            ]
            counts[seen] += Counts(*sizes)
    return ByWords(counts[True], counts[False])
