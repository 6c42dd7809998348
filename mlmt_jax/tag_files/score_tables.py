"""The tables that `evaluate` prints, in percent: scores by span type and by word, calibration."""

from mlmt_jax.metrics.calibration import Calibration
from mlmt_jax.training.split_scores import SplitScore
from mlmt_jax.training.tables import table


def type_table(score: SplitScore) -> str:
    """Return a table of the scores of each span type or tag: precision, recall, F1 in percent, and counts.

    Rows are sorted by type. The text has a header and no newline at its end.
    """
    rows = [
        (name, *map(_percent, (counts.precision, counts.recall, counts.f1)), counts.gold, counts.predicted)
        for name, counts in score.score.types.items()
    ]
    return table(("type", "P", "R", "F1", "gold", "predicted"), rows)


def word_table(score: SplitScore) -> str:
    """Return a table of the scores on words that are in the training data, and on the others.

    The rows are "seen" and "unseen". The figure is F1 of spans, or accuracy of tokens, in percent; "-"
    without gold and predicted ones.

    Raises:
        AssertionError: if the score has no `by_words`.
    """
    assert score.by_words is not None
    rows = []
    for words, counts in score.by_words._asdict().items():
        # The recall of tokens is their accuracy.
        figure = counts.recall if score.score.f1 is None else counts.f1
        is_counted = counts.gold or counts.predicted
        rows.append((words, _percent(figure) if is_counted else "-", counts.gold, counts.predicted))
    return table(("words", "accuracy" if score.score.f1 is None else "F1", "gold", "predicted"), rows)


def calibration_table(calibration: Calibration, unit: str) -> str:
    """Return the calibration error in percent, and below it a table of the bins that are not empty.

    Args:
        calibration: the result of `mlmt_jax.metrics.calibration.calibration`.
        unit: the plural of what was predicted, "spans" or "tokens".
    """
    bins = [
        (f"{low:.1f}-{high:.1f}", _percent(confidence), _percent(accuracy), count)
        for low, high, confidence, accuracy, count in calibration.bins
        if count
    ]
    error = _percent(calibration.error) if bins else f"- (no {unit})"
    header = ("probability", "confidence", "accuracy", "count")
    return f"expected calibration error of {unit}: {error}\n{table(header, bins)}"


def _percent(share: float) -> str:
    """Return a fraction in percent with two decimals, without a percent sign; "nan" for NaN."""
    return f"{100 * share:.2f}"
