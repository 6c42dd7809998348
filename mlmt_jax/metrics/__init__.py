"""Tag schemes read as spans, the scores of spans and of tokens, and what their probabilities are worth."""

from mlmt_jax.metrics.calibration import Bin, Calibration, calibration
from mlmt_jax.metrics.scores import Counts, Score, score_spans, score_tokens
from mlmt_jax.metrics.spans import (
    Scheme,
    Span,
    count_ill_formed,
    lenient_spans,
    span_tags,
    split_tag,
    strict_spans,
)

__all__ = [
    "Bin",
    "Calibration",
    "Counts",
    "Scheme",
    "Score",
    "Span",
    "calibration",
    "count_ill_formed",
    "lenient_spans",
    "score_spans",
    "score_tokens",
    "span_tags",
    "split_tag",
    "strict_spans",
]
