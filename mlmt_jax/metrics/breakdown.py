"""Scores by length, the confusion of types, and the spread of F1 over sentences."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from mlmt_jax.metrics.scores import Counts, Tags, token_spans
from mlmt_jax.metrics.spans import Scheme, Span, split_tag, strict_spans

# First number of words of each group of sentences; the last group has no end.
_SENTENCE_LENGTHS = (1, 6, 11, 21, 41)


def spans_of(tags: Tags, scheme: Scheme) -> list[Span]:
    """Return what is scored: the strict spans of tags, or every token if the scheme is ``none``."""
    return token_spans(tags) if scheme == "none" else strict_spans(tags, scheme)


def sentence_counts(gold: Iterable[Tags], predicted: Iterable[Tags], scheme: Scheme) -> list[Counts]:
    """Count the correct, predicted and gold spans (tokens if the scheme is ``none``) of each sentence."""
    counts = []
    for gold_tags, predicted_tags in zip(gold, predicted, strict=True):
        gold_spans, predicted_spans = spans_of(gold_tags, scheme), spans_of(predicted_tags, scheme)
        correct = len(set(gold_spans).intersection(predicted_spans))
        counts.append(Counts(correct, len(predicted_spans), len(gold_spans)))
    return counts


def type_deviations(gold: Sequence[Tags], predicted: Sequence[Tags], scheme: Scheme) -> dict[str, float]:
    """Return `bootstrap_deviation` of the F1 of each type, sorted by type."""
    counts: dict[str, list[Counts]] = {}
    for i, tags in enumerate(zip(gold, predicted, strict=True)):
        gold_spans, predicted_spans = (set(spans_of(sentence, scheme)) for sentence in tags)
        for span in gold_spans | predicted_spans:
            sentences = counts.setdefault(span.type, [Counts()] * len(gold))
            in_gold, in_predicted = span in gold_spans, span in predicted_spans
            sentences[i] += Counts(int(in_gold and in_predicted), int(in_predicted), int(in_gold))
    return {name: bootstrap_deviation(counts[name]) for name in sorted(counts)}


def count_by_sentence_length(counts: Iterable[Counts], lengths: Iterable[int]) -> dict[str, Counts]:
    """Add up the counts of sentences by their number of words: "1-5", "6-10", ..., "41+"; no empty group."""
    groups: dict[int, Counts] = {}
    for sentence, length in zip(counts, lengths, strict=True):
        group = int(np.searchsorted(_SENTENCE_LENGTHS, length, side="right"))
        groups[group] = groups.get(group, Counts()) + sentence
    ends = [*(str(first - 1) for first in _SENTENCE_LENGTHS[1:]), ""]
    names = [f"{a}-{b}" if b else f"{a}+" for a, b in zip(_SENTENCE_LENGTHS, ends, strict=True)]
    return {names[group - 1]: groups[group] for group in sorted(groups) if group}


def count_by_span_length(
    gold: Iterable[Tags], predicted: Iterable[Tags], scheme: Scheme
) -> dict[int, Counts]:
    """Count strict spans by their number of words, ascending; {} if the scheme is ``none``."""
    correct, predictions, golds = Counter[int](), Counter[int](), Counter[int]()
    for gold_tags, predicted_tags in zip(gold, predicted, strict=True):
        gold_spans, predicted_spans = strict_spans(gold_tags, scheme), strict_spans(predicted_tags, scheme)
        golds.update(map(_length, gold_spans))
        predictions.update(map(_length, predicted_spans))
        correct.update(map(_length, set(gold_spans).intersection(predicted_spans)))
    return {n: Counts(correct[n], predictions[n], golds[n]) for n in sorted(golds | predictions)}


def _length(span: Span) -> int:
    """Return the number of words of a span."""
    return span.last - span.first + 1


def confusion(gold: Iterable[Tags], predicted: Iterable[Tags], scheme: Scheme) -> dict[str, dict[str, int]]:
    """Count the tokens of each gold type by their predicted type.

    The type of a span's token is that of its tag without the prefix, "O" outside of spans. If the scheme is
    ``none``, types are the tags.

    Returns:
        ``{gold type: {predicted type: tokens}}``, sorted, without zeros.
    """
    counts = Counter[tuple[str, str]]()
    for gold_tags, predicted_tags in zip(gold, predicted, strict=True):
        counts.update(
            (_type(g, scheme), _type(p, scheme)) for g, p in zip(gold_tags, predicted_tags, strict=True)
        )
    table: dict[str, dict[str, int]] = {}
    for (gold_type, predicted_type), count in sorted(counts.items()):
        table.setdefault(gold_type, {})[predicted_type] = count
    return table


def _type(tag: str, scheme: Scheme) -> str:
    """Return the type of a token's tag, "O" for the outside tag; the tag itself if the scheme is ``none``."""
    return tag if scheme == "none" else split_tag(tag).type or "O"


def bootstrap_deviation(counts: Sequence[Counts], draws: int = 1000, seed: int = 0) -> float:
    """Return the standard deviation of F1 over samples of sentences, drawn with replacement.

    For counts of tokens it is that of the accuracy. The result is a pure function of the arguments.

    Args:
        counts: of each sentence; without any, the deviation is 0.
        draws: number of samples, each with as many sentences as ``counts``.
        seed: seed of the samples.
    """
    if not counts:
        return 0.0
    # The number of times that each sentence is drawn, (draws, sentences).
    times = np.random.default_rng(seed).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), draws)
    correct, predicted, gold = (times @ np.array(counts, np.int64)).T
    total = predicted + gold
    return float(np.std(2 * correct / np.maximum(total, 1), ddof=1))
