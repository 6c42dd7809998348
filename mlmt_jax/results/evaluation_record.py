"""The evaluation of a tagger on labelled sentences as JSON values, with every number."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlmt_jax.metrics.breakdown import (
    bootstrap_deviation,
    confusion,
    count_by_sentence_length,
    count_by_span_length,
    sentence_counts,
    type_deviations,
)
from mlmt_jax.metrics.calibration import Calibration
from mlmt_jax.metrics.scores import Counts
from mlmt_jax.model.readers import tags_and_probabilities
from mlmt_jax.runs.atomic_files import replace_text, write_errors
from mlmt_jax.tagger.sentence_tagger import SentenceTagger
from mlmt_jax.text.columns import Sentence
from mlmt_jax.training.split_scores import SplitScore, calibrate_predictions


def evaluation_record(
    tagger: SentenceTagger, sentences: Sequence[Sentence], score: SplitScore | None = None
) -> dict[str, Any]:
    """Return all scores of a tagger on labelled sentences, as JSON values; README describes the keys.

    Args:
        tagger: the tagger.
        sentences: with tags in BIOES if these are spans.
        score: what ``tagger.evaluate(sentences)`` returns; None computes it.
    """
    score = tagger.evaluate(sentences) if score is None else score
    tags, scheme = tagger.model.context.tags, tagger.model.context.tags.scheme
    gold = [sentence.tags for sentence in sentences]
    predictions = tagger.model.read(tags_and_probabilities, [sentence.tokens for sentence in sentences])
    predicted = [tags.decode(best, s) for (best, *_), s in zip(predictions, sentences, strict=True)]
    calibration = calibrate_predictions(predictions, tags, sentences)
    deviations = type_deviations(gold, predicted, scheme)
    counts = sentence_counts(gold, predicted, scheme)
    lengths = [len(sentence.tokens) for sentence in sentences]
    by_span_length = count_by_span_length(gold, predicted, scheme).items()
    by_words = {} if score.by_words is None else score.by_words._asdict()
    return {
        "task": tagger.task,
        "scheme": tagger.scheme,
        "sentences": score.score.sentences,
        "tokens": score.score.tokens,
        **score.as_json(),
        "standard_deviation": bootstrap_deviation(counts),
        "types": {
            name: figures | {"standard_deviation": deviations[name]}
            for name, figures in _figures(score.score.types).items()
        },
        "span_lengths": _figures({str(length): counts for length, counts in by_span_length}),
        "sentence_lengths": _figures(count_by_sentence_length(counts, lengths)),
        "words": _figures(by_words),
        "confusion": confusion(gold, predicted, scheme),
        "calibration": calibration_record(calibration, scheme == "none"),
    }


def calibration_record(calibration: Calibration, of_tokens: bool) -> dict[str, Any]:
    """Return a calibration as JSON values; numbers that do not exist are None."""
    return {
        "unit": "tokens" if of_tokens else "spans",
        "error": _number(calibration.error),
        "bins": [{key: _number(value) for key, value in b._asdict().items()} for b in calibration.bins],
    }


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record as a JSON file, whole or not at all; raise RunError if the system refuses."""
    with write_errors(path):
        replace_text(path, json.dumps(record, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def _figures(groups: Mapping[str, Counts]) -> dict[str, dict[str, Any]]:
    """Return the ratios and counts of each group."""
    keys = ("precision", "recall", "f1", "correct", "gold", "predicted")
    return {name: {key: getattr(counts, key) for key in keys} for name, counts in groups.items()}


def _number(value: float) -> float | None:
    """Return a number, or None for NaN."""
    return None if math.isnan(value) else value
