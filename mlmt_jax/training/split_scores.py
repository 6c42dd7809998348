"""Tags for many sentences, the scores of a split, and what probabilities are worth on it."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from mlmt_jax.batches.encoded_sentences import EncodedSentences
from mlmt_jax.metrics.calibration import Calibration, calibration
from mlmt_jax.metrics.scores import Score, score_spans, score_tokens
from mlmt_jax.metrics.spans import strict_spans
from mlmt_jax.metrics.unseen import ByWords, count_by_words
from mlmt_jax.model import TaskModel, tags_and_losses
from mlmt_jax.text.columns import Sentence
from mlmt_jax.text.decoded import span_probabilities
from mlmt_jax.training.run_model import infer
from mlmt_jax.types import Params

__all__ = ["Found", "SplitScore", "calibrate_found", "evaluate_split", "score_found"]

#: What a reader gave of each sentence.
Found = Sequence[tuple[np.ndarray, ...]]


class SplitScore(NamedTuple):
    """How a task model does on one file."""

    score: Score
    loss: float  # nats per sentence, over sentences whose gold tags the task knows; nan if there is none
    by_words: ByWords | None = None  # the same spans or tokens, by whether training had their words

    def as_json(self) -> dict:
        """The score's fields with the loss beside them, without ``by_words``."""
        return {**self.score.as_json(), "loss": self.loss if np.isfinite(self.loss) else None}


def evaluate_split(
    task: TaskModel,
    params: Params,
    tag_names: Sequence[str],
    examples: Sequence[Sentence],
    contents: EncodedSentences,
    *,
    spans: bool,
    batch_size: int,
) -> SplitScore:
    """Scores a task model on labelled sentences (``contents`` are the encoded ``examples``)."""
    found = infer(task, params, tags_and_losses, contents, batch_size)
    return score_found(found, tag_names, examples, spans=spans)


def score_found(
    found: Found,
    tag_names: Sequence[str],
    examples: Sequence[Sentence],
    *,
    spans: bool,
    seen: Collection[str] | None = None,
) -> SplitScore:
    """Scores what ``tags_and_losses`` read of labelled sentences.

    Where ``seen`` has the words of the training data, what they are in is counted apart as well.
    """
    gold = [example.tags for example in examples]
    predicted = [_named(tag_names, best, own) for (best, _), own in zip(found, gold, strict=True)]
    losses = np.array([loss for _, loss in found], np.float32)
    score = score_spans(gold, predicted, "bioes") if spans else score_tokens(gold, predicted)
    by_words = None
    if seen is not None:
        tokens = [example.tokens for example in examples]
        by_words = count_by_words(tokens, gold, predicted, "bioes" if spans else "none", seen)
    known = losses[~np.isnan(losses)]
    return SplitScore(score, float(known.mean(dtype=np.float64)) if len(known) else float("nan"), by_words)


def calibrate_found(
    found: Found, tag_names: Sequence[str], examples: Sequence[Sentence], *, spans: bool
) -> Calibration:
    """The calibration of predicted spans' probabilities, or of tokens' where tags are not spans.

    ``found`` is what ``tags_and_probabilities`` read of the examples. A span is right where the gold tags
    have it too.
    """
    probabilities, right = [], []
    for (best, marginals, steps), example in zip(found, examples, strict=True):
        predicted = _named(tag_names, best, example.tags)
        n = len(predicted)
        if spans:
            gold, own = set(strict_spans(example.tags, "bioes")), strict_spans(predicted, "bioes")
            probabilities.append(span_probabilities(own, best[:n], marginals[:n], steps[:n]))
            right += [span in gold for span in own]
        else:
            probabilities.append(np.minimum(marginals[np.arange(n), best[:n]], 1.0))
            right += [a == b for a, b in zip(example.tags, predicted, strict=True)]
    return calibration(np.concatenate([[], *probabilities]), right)


def _named(tag_names: Sequence[str], best: np.ndarray, gold: Sequence[str]) -> list[str]:
    indices: list[int] = best[: len(gold)].tolist()
    return [tag_names[tag] for tag in indices]
