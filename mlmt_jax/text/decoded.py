"""What a tagger says of a sentence beside its tags: offsets, probabilities, spans, further sequences."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mlmt_jax.metrics.spans import Scheme, Span, count_ill_formed, lenient_spans, split_tag
from mlmt_jax.text.tag_schemes import from_bioes

__all__ = ["RankedTags", "TagWriter", "TaggedSentence", "TaggedSpan", "TaggedText", "span_probabilities"]

# Prefixes of BIOES as other schemes write them. IOB1's B depends on the token before: it counts as I.
_WRITTEN: dict[str, dict[str, str]] = {
    "iob2": {"S": "B", "E": "I"},
    "iob1": {"B": "I", "E": "I", "S": "I"},
    "io": {"B": "I", "E": "I", "S": "I"},
}


class TaggedSpan(NamedTuple):
    """A predicted span: ``tokens[start:end]``."""

    type: str
    start: int
    end: int
    probability: float  # that exactly this span, of this type, is there


class TaggedSentence(NamedTuple):
    """A sentence's most probable tags, and how probable they are."""

    tags: list[str]  # in the scheme of the task's training file
    probabilities: list[float]  # of each token: that it has its tag, whatever the others have
    spans: list[TaggedSpan]  # in order; empty where the task's tags are not spans
    log_probability: float  # of all tags together, nats


class RankedTags(NamedTuple):
    """One of the most probable tag sequences of a sentence."""

    tags: list[str]  # in the scheme of the task's training file
    log_probability: float  # nats


class TaggedText(NamedTuple):
    """The tokens of a sentence, where they stand in it, and their tags."""

    tokens: list[str]
    offsets: list[tuple[int, int]]  # start and end, in code points
    tags: list[str]  # in the scheme of the task's training file


class TagWriter:
    """Writes a task's tags, which are BIOES inside where they are spans, in the scheme of its files."""

    def __init__(self, names: Sequence[str], scheme: Scheme, *, bare: bool):
        """``names`` of the t tags, the ``scheme`` to write, and whether types alone are written (IO only)."""
        self._names, self._bare = tuple(names), bare
        self._scheme: Scheme = scheme
        prefixes = _WRITTEN.get(scheme, {})
        written = [(prefixes.get(p, p), kind) for p, kind in map(split_tag, names)] if prefixes else names
        self._alike = np.array([[a == b for b in written] for a in written], np.float32)  # (t, t)
        self._index = {name: i for i, name in enumerate(names)}
        self._pairs = _Pairs(self._names, scheme, bare)

    def tags(self, best: np.ndarray) -> list[str]:
        """The tags of a sentence, from their indices (n,) int."""
        indices: list[int] = best.tolist()
        if self._scheme == "none":
            return [self._names[tag] for tag in indices]
        written = [self._pairs[pair] for pair in zip([None, *indices], [*indices, None], strict=True)]
        if None in written:
            return from_bioes([self._names[tag] for tag in indices], self._scheme, bare=self._bare)
        return written[:-1]  # type: ignore[return-value]

    def with_probabilities(
        self, best: np.ndarray, marginals: np.ndarray, steps: np.ndarray
    ) -> TaggedSentence:
        """The tags of a sentence with their probabilities.

        A token's is that of all BIOES tags which the scheme writes as it writes the token's: in IOB2, B-PER
        stands for B-PER and S-PER. In IOB1, as in IO, it is that of a span of the type.

        Args:
            best: (n,) int, the predicted tags.
            marginals: (n, t) probabilities of all tags.
            steps: (n,) nats, log P(predicted tag | predicted tag before).
        """
        inside = [self._names[tag] for tag in best.tolist()]
        spans = lenient_spans(inside) if self._scheme != "none" else []
        # Ill-formed tags, which only a CRF without constraints leaves, are repaired when they are written.
        repaired = best
        if spans:
            written = zip(from_bioes(inside, "bioes"), best.tolist(), strict=True)
            # The tags of a converted run may lack one that a repair asks for.
            repaired = np.array([self._index.get(tag, own) for tag, own in written])
        tokens = np.sum(marginals * self._alike[repaired], -1)
        chances = span_probabilities(spans, best, marginals, steps)
        return TaggedSentence(
            tags=self.tags(best),
            probabilities=np.minimum(tokens, 1.0).tolist(),
            spans=[
                TaggedSpan(span.type, span.first, span.last + 1, chance)
                for span, chance in zip(spans, chances.tolist(), strict=True)
            ],
            log_probability=float(np.sum(steps, dtype=np.float64)),
        )


class _Pairs(dict[tuple[int | None, int | None], str | None]):
    """How a scheme writes the second of two neighbouring BIOES tags, None for a pair that is ill-formed.

    A tag index of None stands for the end of the sentence on either side. Well-formed tags are written by it
    several times as fast as span by span.
    """

    def __init__(self, names: Sequence[str], scheme: Scheme, bare: bool):
        super().__init__()
        self._names, self._bare = names, bare
        self._scheme: Scheme = scheme

    def __missing__(self, pair: tuple[int | None, int | None]) -> str | None:
        before, tag = ([] if i is None else [self._names[i]] for i in pair)
        # The rest of the spans in which the two are.
        head = [f"B-{kind}" for prefix, kind in map(split_tag, before) if prefix in ("I", "E")]
        tail = [f"E-{kind}" for prefix, kind in map(split_tag, tag) if prefix in ("B", "I")]
        tags = [*head, *before, *tag, *tail]
        if count_ill_formed(tags, "bioes"):
            self[pair] = None
        else:
            self[pair] = ["", *from_bioes(tags, self._scheme, bare=self._bare)][len(tags) - len(tail)]
        return self[pair]


def span_probabilities(
    spans: Sequence[Span], best: np.ndarray, marginals: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """P(each span's words have the predicted tags): (spans,) float64 in [0, 1].

    That is the probability that exactly the span is there, where its tags are well-formed. Arguments as in
    ``TagWriter.with_probabilities``.
    """
    first = np.array([span.first for span in spans], int)
    last = np.array([span.last for span in spans], int)
    until = np.cumsum(steps, dtype=np.float64)
    return np.minimum(marginals[first, best[first]] * np.exp(until[last] - until[first]), 1.0)
