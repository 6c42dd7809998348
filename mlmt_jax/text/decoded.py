"""The decoded form of a sentence: tags in the scheme of a file, probabilities, spans, offsets."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from mlmt_jax.metrics.spans import Scheme, Span, count_ill_formed, lenient_spans, split_tag
from mlmt_jax.text.tag_schemes import from_bioes

# Prefixes of BIOES in other schemes. B of IOB1 depends on the previous token: it counts as I.
_PREFIXES: dict[str, dict[str, str]] = {
    "iob2": {"S": "B", "E": "I"},
    "iob1": {"B": "I", "E": "I", "S": "I"},
    "io": {"B": "I", "E": "I", "S": "I"},
}


class TaggedSpan(NamedTuple):
    """A predicted span, `tokens[start:end]`."""

    type: str
    start: int
    end: int
    probability: float  # of exactly this span with this type


class TaggedSentence(NamedTuple):
    """The most probable tags of a sentence, with probabilities."""

    tags: list[str]  # in the scheme of the task's training file
    probabilities: list[float]  # marginal probability of each token's tag
    spans: list[TaggedSpan]  # in order; empty if the task's tags are not spans
    log_probability: float  # of the whole tag sequence, nats


class RankedTags(NamedTuple):
    """One of the k most probable tag sequences of a sentence."""

    tags: list[str]  # in the scheme of the task's training file
    log_probability: float  # nats


class TaggedText(NamedTuple):
    """The tokens of a text, their offsets and their tags."""

    tokens: list[str]
    offsets: list[tuple[int, int]]  # start and end of each token, in code points
    tags: list[str]  # in the scheme of the task's training file


class TagWriter:
    """A converter from a task's tag indices to tags in the scheme of its files.

    The tags of a span task are BIOES inside the model.
    """

    def __init__(self, names: Sequence[str], scheme: Scheme, *, bare: bool):
        """Prepare the conversion.

        Args:
            names: the t tags of the task.
            scheme: the scheme to write.
            bare: whether to write types without a prefix, in `io` only.
        """
        self._names, self._bare = tuple(names), bare
        self._scheme: Scheme = scheme
        prefixes = _PREFIXES.get(scheme, {})
        written = [(prefixes.get(p, p), kind) for p, kind in map(split_tag, names)] if prefixes else names
        self._same_tag = np.array([[a == b for b in written] for a in written], np.float32)  # (t, t)
        self._index = {name: i for i, name in enumerate(names)}
        # Pairs are several times as fast as spans, and t tags have few of them.
        self._write_second = cache(self._write_pair)

    def tags(self, best: np.ndarray) -> list[str]:
        """Return the tags of a sentence in the scheme; ill-formed ones are repaired as conlleval reads them.

        Args:
            best: (n,) int, indices of the predicted tags.
        """
        indices: list[int] = best.tolist()
        if self._scheme == "none":
            return [self._names[tag] for tag in indices]
        written = list(map(self._write_second, [None, *indices], [*indices, None]))
        if None in written:
            return from_bioes([self._names[tag] for tag in indices], self._scheme, bare=self._bare)
        return written[:-1]  # type: ignore[return-value]

    def with_probabilities(
        self, best: np.ndarray, marginals: np.ndarray, steps: np.ndarray
    ) -> TaggedSentence:
        """Return the tags of a sentence with their probabilities.

        The probability of a token's tag is the sum over all BIOES tags that the scheme writes alike: B-PER of
        IOB2 stands for B-PER and S-PER. In IO and IOB1 it is that of any span of the type.

        Args:
            best: (n,) int, indices of the predicted tags.
            marginals: (n, t) float, probabilities of all tags.
            steps: (n,) float, log P(predicted tag | previous predicted tag), nats.
        """
        bioes = [self._names[tag] for tag in best.tolist()]
        spans = lenient_spans(bioes) if self._scheme != "none" else []
        # A CRF without constraints may predict ill-formed tags: the probability is that of the repaired tag.
        repaired = best
        if spans:
            pairs = zip(from_bioes(bioes, "bioes"), best.tolist(), strict=True)
            # A converted run may lack the tag of a repair.
            repaired = np.array([self._index.get(name, tag) for name, tag in pairs])
        tokens = np.sum(marginals * self._same_tag[repaired], -1)
        probabilities = span_probabilities(spans, best, marginals, steps)
        return TaggedSentence(
            tags=self.tags(best),
            probabilities=np.minimum(tokens, 1.0).tolist(),
            spans=[
                TaggedSpan(span.type, span.first, span.last + 1, probability)
                for span, probability in zip(spans, probabilities.tolist(), strict=True)
            ],
            log_probability=float(np.sum(steps, dtype=np.float64)),
        )

    def _write_pair(self, first: int | None, second: int | None) -> str | None:
        """Return the second of two neighbouring BIOES tags in the scheme, or None if the pair is ill-formed.

        Args:
            first: index of the first tag; None at the start of the sentence.
            second: index of the second tag; None at the end of the sentence, where the result is not used.
        """
        before, after = ([] if i is None else [self._names[i]] for i in (first, second))
        # Complete the spans of the two tags.
        head = [f"B-{kind}" for prefix, kind in map(split_tag, before) if prefix in ("I", "E")]
        tail = [f"E-{kind}" for prefix, kind in map(split_tag, after) if prefix in ("B", "I")]
        tags = [*head, *before, *after, *tail]
        if count_ill_formed(tags, "bioes"):
            return None
        return ["", *from_bioes(tags, self._scheme, bare=self._bare)][len(tags) - len(tail)]


def span_probabilities(
    spans: Sequence[Span], best: np.ndarray, marginals: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """Return the probability that all words of a span have their predicted tags, for each span.

    If the tags of a span are well-formed, it is the probability of exactly this span.

    Args:
        spans: of one sentence.
        best: (n,) int, indices of the predicted tags.
        marginals: (n, t) float, probabilities of all tags.
        steps: (n,) float, log P(predicted tag | previous predicted tag), nats.

    Returns:
        (spans,) float64 in [0, 1].
    """
    first = np.array([span.first for span in spans], int)
    last = np.array([span.last for span in spans], int)
    until = np.cumsum(steps, dtype=np.float64)
    return np.minimum(marginals[first, best[first]] * np.exp(until[last] - until[first]), 1.0)
