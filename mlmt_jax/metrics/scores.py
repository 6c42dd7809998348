"""Precision, recall and F1 of spans, and accuracy of tokens, over a corpus."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mlmt_jax.metrics.spans import Scheme, Span, lenient_spans, strict_spans

Tags = Sequence[str]
SpanPair = tuple[list[Span], list[Span]]  # of one sentence: gold, predicted


class Counts(NamedTuple):
    """How many spans (or tokens) are right, were predicted, and are in the gold data. 0 / 0 counts as 0."""

    correct: int
    predicted: int
    gold: int

    @property
    def precision(self) -> float:
        """Correct / predicted."""
        return _ratio(self.correct, self.predicted)

    @property
    def recall(self) -> float:
        """Correct / gold."""
        return _ratio(self.correct, self.gold)

    @property
    def f1(self) -> float:
        """2 correct / (predicted + gold), the harmonic mean of precision and recall."""
        return _ratio(2 * self.correct, self.predicted + self.gold)

    def __add__(self, other: "Counts") -> "Counts":  # type: ignore[override]
        return Counts(self.correct + other.correct, self.predicted + other.predicted, self.gold + other.gold)


@dataclass(frozen=True)
class Score:
    """The scores of one tagger on one corpus, as fractions; the span scores of a token task are None."""

    precision: float | None  # of strict spans, all types together (micro)
    recall: float | None
    f1: float | None
    lenient_f1: float | None  # of the spans that conlleval reads
    accuracy: float  # share of tokens whose tags are equal as strings
    types: dict[str, Counts]  # strict spans by type, sorted; for a token task, tokens by tag
    tokens: int
    sentences: int

    def as_json(self) -> dict[str, Any]:
        """Give the scores as a dict that `json` can write, without the sizes of the corpus."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "lenient_f1": self.lenient_f1,
            "accuracy": self.accuracy,
            "types": {
                name: {
                    "precision": counts.precision,
                    "recall": counts.recall,
                    "f1": counts.f1,
                    "gold": counts.gold,
                    "predicted": counts.predicted,
                }
                for name, counts in self.types.items()
            },
        }


def score_spans(gold: Iterable[Tags], predicted: Iterable[Tags], scheme: Scheme) -> Score:
    """Score span tags of one scheme.

    Args:
        gold: the right tags, one sequence a sentence; ill-formed ones make strict gold spans vanish.
        predicted: the tagger's in the same order, as they left it: repair would hide what is ill-formed.
        scheme: how strict spans are read.

    Raises:
        ValueError: unequal numbers of sentences or of tags in one, or the scheme `none`.
    """
    if scheme == "none":
        raise ValueError("tags of the scheme 'none' have no spans: score them with score_tokens")
    pairs = _paired(gold, predicted)
    types = _counts_by_type((strict_spans(g, scheme), strict_spans(p, scheme)) for g, p in pairs)
    strict = _total(types)
    lenient = _total(_counts_by_type((lenient_spans(g), lenient_spans(p)) for g, p in pairs))
    return Score(
        precision=strict.precision,
        recall=strict.recall,
        f1=strict.f1,
        lenient_f1=lenient.f1,
        accuracy=_accuracy(pairs),
        types=types,
        tokens=sum(len(g) for g, _ in pairs),
        sentences=len(pairs),
    )


def score_tokens(gold: Iterable[Tags], predicted: Iterable[Tags]) -> Score:
    """Score tags that stand each for itself, such as parts of speech: accuracy, and counts for every tag.

    Args:
        gold: the right tags, one sequence a sentence.
        predicted: the tagger's, in the same order.

    Raises:
        ValueError: unequal numbers of sentences or of tags in one.
    """
    pairs = _paired(gold, predicted)
    return Score(
        precision=None,
        recall=None,
        f1=None,
        lenient_f1=None,
        accuracy=_accuracy(pairs),
        types=_counts_by_type((token_spans(g), token_spans(p)) for g, p in pairs),
        tokens=sum(len(g) for g, _ in pairs),
        sentences=len(pairs),
    )


def _paired(gold: Iterable[Tags], predicted: Iterable[Tags]) -> list[tuple[Tags, Tags]]:
    gold, predicted = list(gold), list(predicted)
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold sentences but {len(predicted)} predicted ones")
    pairs = list(zip(gold, predicted, strict=True))
    for number, (g, p) in enumerate(pairs, 1):
        if len(g) != len(p):
            raise ValueError(f"sentence {number} has {len(g)} gold tags but {len(p)} predicted ones")
    return pairs


def _counts_by_type(pairs: Iterable[SpanPair]) -> dict[str, Counts]:
    correct, predicted, gold = Counter[str](), Counter[str](), Counter[str]()
    for gold_spans, predicted_spans in pairs:
        gold.update(span.type for span in gold_spans)
        predicted.update(span.type for span in predicted_spans)
        correct.update(span.type for span in set(gold_spans).intersection(predicted_spans))
    names = sorted(gold.keys() | predicted.keys())
    return {name: Counts(correct[name], predicted[name], gold[name]) for name in names}


def token_spans(tags: Tags) -> list[Span]:
    """Each token as a span of its own, of the type that its tag is."""
    return [Span(tag, position, position) for position, tag in enumerate(tags)]


def _total(types: dict[str, Counts]) -> Counts:
    return sum(types.values(), Counts(0, 0, 0))


def _accuracy(pairs: list[tuple[Tags, Tags]]) -> float:
    right = sum(g == p for gold, predicted in pairs for g, p in zip(gold, predicted, strict=True))
    return _ratio(right, sum(len(gold) for gold, _ in pairs))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
