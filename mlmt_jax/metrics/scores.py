"""Precision, recall and F1 of spans, and accuracy of tokens, over a corpus."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mlmt_jax.metrics.spans import Scheme, Span, lenient_spans, strict_spans

Tags = Sequence[str]
SpanPair = tuple[list[Span], list[Span]]  # gold and predicted spans of one sentence


class Counts(NamedTuple):
    """Numbers of correct, predicted and gold spans (or tokens). A ratio 0 / 0 counts as 0."""

    correct: int = 0
    predicted: int = 0
    gold: int = 0

    @property
    def precision(self) -> float:
        """Precision, correct / predicted, a fraction; 0 if nothing is predicted."""
        return _ratio(self.correct, self.predicted)

    @property
    def recall(self) -> float:
        """Recall, correct / gold, a fraction; 0 if there is no gold span."""
        return _ratio(self.correct, self.gold)

    @property
    def f1(self) -> float:
        """F1, 2 correct / (predicted + gold), the harmonic mean of precision and recall; 0 for 0 / 0."""
        return _ratio(2 * self.correct, self.predicted + self.gold)

    def __add__(self, other: "Counts") -> "Counts":  # type: ignore[override]
        """Return the sums of correct, predicted and gold; unlike a tuple's `+`, it does not concatenate."""
        return Counts(self.correct + other.correct, self.predicted + other.predicted, self.gold + other.gold)


@dataclass(frozen=True)
class Score:
    """The scores of one tagger on one corpus, as fractions; the span scores of a token task are None."""

    accuracy: float  # share of tokens with equal tags, compared as strings
    types: dict[str, Counts]  # strict spans by type, sorted; tokens by tag for a token task
    tokens: int
    sentences: int
    precision: float | None = None  # of strict spans, all types together (micro average)
    recall: float | None = None
    f1: float | None = None
    lenient_f1: float | None = None  # of spans as conlleval reads them

    def as_json(self) -> dict[str, Any]:
        """Return the scores as a JSON-serializable dict of fractions, without the sizes of the corpus.

        Keys are "precision", "recall", "f1", "lenient_f1" (None for a token task), "accuracy" and "types",
        which has for each type a dict of "precision", "recall", "f1", "gold" and "predicted".
        """
        totals = ("precision", "recall", "f1", "lenient_f1", "accuracy")
        figures = ("precision", "recall", "f1", "gold", "predicted")
        types = {name: {key: getattr(counts, key) for key in figures} for name, counts in self.types.items()}
        return {key: getattr(self, key) for key in totals} | {"types": types}


def score_spans(gold: Iterable[Tags], predicted: Iterable[Tags], scheme: Scheme) -> Score:
    """Score the span tags of one scheme.

    Args:
        gold: gold tags, one sequence a sentence. Ill-formed tags lose their strict gold spans.
        predicted: predicted tags in the same order, unrepaired: repair would hide ill-formed tags.
        scheme: the scheme in which strict spans are read.

    Returns:
        All fields of `Score`. A span is correct if a gold span has the same type and both ends. Without
        sentences all scores are 0.

    Raises:
        ValueError: if the numbers of sentences, or of tags in a sentence, differ; if the scheme is ``none``;
            if a tag is empty.
    """
    if scheme == "none":
        raise ValueError("tags of the scheme 'none' have no spans: score them with score_tokens")
    pairs = _paired(gold, predicted)
    types = _counts_by_type((strict_spans(g, scheme), strict_spans(p, scheme)) for g, p in pairs)
    lenient = _counts_by_type((lenient_spans(g), lenient_spans(p)) for g, p in pairs)
    total, lenient_total = (sum(counts.values(), Counts()) for counts in (types, lenient))
    return _score(pairs, types, total.precision, total.recall, total.f1, lenient_total.f1)


def score_tokens(gold: Iterable[Tags], predicted: Iterable[Tags]) -> Score:
    """Score tags of single tokens, such as parts of speech: accuracy, and counts by tag.

    Args:
        gold: gold tags, one sequence a sentence.
        predicted: predicted tags in the same order.

    Returns:
        The score; precision, recall, F1 and lenient F1 are None. `types` has the counts of each tag that is
        gold or predicted. Accuracy is 0 without tokens.

    Raises:
        ValueError: if the numbers of sentences, or of tags in a sentence, differ.
    """
    pairs = _paired(gold, predicted)
    return _score(pairs, _counts_by_type((token_spans(g), token_spans(p)) for g, p in pairs))


def _score(pairs: list[tuple[Tags, Tags]], types: dict[str, Counts], *span_scores: float) -> Score:
    """Compute the score of (gold, predicted) tags of each sentence: accuracy and sizes.

    Args:
        pairs: sequences of equal length for each sentence.
        types: counts by type, taken over as they are.
        span_scores: precision, recall, F1 and lenient F1 for span tags; taken over as they are.
    """
    tokens = sum(len(gold) for gold, _ in pairs)
    correct = sum(g == p for gold, predicted in pairs for g, p in zip(gold, predicted, strict=True))
    return Score(_ratio(correct, tokens), types, tokens, len(pairs), *span_scores)


def _paired(gold: Iterable[Tags], predicted: Iterable[Tags]) -> list[tuple[Tags, Tags]]:
    """Pair the gold and predicted tags of each sentence, in order.

    Raises:
        ValueError: if the numbers of sentences differ, or those of tags; the message has the 1-based
            sentence.
    """
    gold, predicted = list(gold), list(predicted)
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold sentences but {len(predicted)} predicted ones")
    pairs = list(zip(gold, predicted, strict=True))
    for number, (g, p) in enumerate(pairs, 1):
        if len(g) != len(p):
            raise ValueError(f"sentence {number} has {len(g)} gold tags but {len(p)} predicted ones")
    return pairs


def _counts_by_type(pairs: Iterable[SpanPair]) -> dict[str, Counts]:
    """Count correct, predicted and gold spans by type, in sorted order; a type without spans is left out.

    A predicted span is correct if its sentence has an equal gold span.
    """
    correct, predicted, gold = Counter[str](), Counter[str](), Counter[str]()
    for gold_spans, predicted_spans in pairs:
        gold.update(span.type for span in gold_spans)
        predicted.update(span.type for span in predicted_spans)
        correct.update(span.type for span in set(gold_spans).intersection(predicted_spans))
    names = sorted(gold.keys() | predicted.keys())
    return {name: Counts(correct[name], predicted[name], gold[name]) for name in names}


def token_spans(tags: Tags) -> list[Span]:
    """Return each token as a span of one word, with its tag as the type; "O" is a type like others."""
    return [Span(tag, position, position) for position, tag in enumerate(tags)]


def _ratio(part: int, whole: int) -> float:
    """Return part / whole, 0 if whole is 0."""
    return part / whole if whole else 0.0
