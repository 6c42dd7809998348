"""Scores and calibration of a task model on the labelled sentences of one file."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from mlmt_jax.batches.encoded_sentences import EncodedSentences
from mlmt_jax.metrics.calibration import Calibration, calibration
from mlmt_jax.metrics.scores import Score, score_spans, score_tokens
from mlmt_jax.metrics.spans import Scheme, strict_spans
from mlmt_jax.metrics.unseen import ByWords, count_by_words
from mlmt_jax.model.readers import tags_and_losses
from mlmt_jax.model.task_model import TaskModel
from mlmt_jax.text.columns import Sentence
from mlmt_jax.text.decoded import span_probabilities
from mlmt_jax.training.run_model import Inference
from mlmt_jax.types import Params

#: The arrays that a reader returns for each sentence.
Predictions = Sequence[tuple[np.ndarray, ...]]


class TaskTags(NamedTuple):
    """The tags of a task."""

    names: tuple[str, ...]  # in the order of their indices
    are_spans: bool  # BIOES spans; false: one independent tag a word

    @property
    def scheme(self) -> Scheme:
        """The tag scheme of `names`."""
        return "bioes" if self.are_spans else "none"

    def decode(self, indices: np.ndarray, sentence: Sentence) -> list[str]:
        """Return the tags of a sentence of n words from indices (n or more,) int, padded at the end."""
        tags: list[int] = indices[: len(sentence.tokens)].tolist()
        return [self.names[tag] for tag in tags]


class SplitScore(NamedTuple):
    """The scores of a task model on one file."""

    score: Score
    loss: float  # mean over sentences whose gold tags the task knows, nats per sentence; NaN without any
    by_words: ByWords | None = None  # counts of spans or tokens with and without words unseen in training

    def as_json(self) -> dict:
        """Return the fields of the score and the loss; `by_words` is left out."""
        return {**self.score.as_json(), "loss": self.loss if np.isfinite(self.loss) else None}


def evaluate_split(
    task: TaskModel,
    params: Params,
    tags: TaskTags,
    sentences: Sequence[Sentence],
    encoded: EncodedSentences,
    batch_size: int,
) -> SplitScore:
    """Score a task model on labelled sentences; `encoded` are the same sentences."""
    predictions = Inference(task, params).run(tags_and_losses, encoded, batch_size)
    return score_predictions(predictions, tags, sentences)


def score_predictions(
    predictions: Predictions,
    tags: TaskTags,
    sentences: Sequence[Sentence],
    training_words: Collection[str] | None = None,
) -> SplitScore:
    """Score the predictions of `tags_and_losses` against the gold tags of the sentences.

    Args:
        predictions: best tags (n,) int and loss () in nats of each sentence.
        tags: the task's tags.
        sentences: in the order of the predictions.
        training_words: the words of the training data, for `by_words`; None leaves it out.
    """
    gold = [sentence.tags for sentence in sentences]
    predicted = [
        tags.decode(best, sentence) for (best, _), sentence in zip(predictions, sentences, strict=True)
    ]
    losses = np.array([loss for _, loss in predictions], np.float32)
    score = score_spans(gold, predicted, "bioes") if tags.are_spans else score_tokens(gold, predicted)
    by_words = None
    if training_words is not None:
        tokens = [sentence.tokens for sentence in sentences]
        by_words = count_by_words(tokens, gold, predicted, tags.scheme, training_words)
    known = losses[~np.isnan(losses)]
    return SplitScore(score, float(known.mean(dtype=np.float64)) if len(known) else float("nan"), by_words)


def calibrate_predictions(
    predictions: Predictions, tags: TaskTags, sentences: Sequence[Sentence]
) -> Calibration:
    """Return the calibration of the probabilities of predicted spans, or of tokens if tags are no spans.

    A predicted span is correct if the gold tags have the same span.

    Args:
        predictions: the arrays of `tags_and_probabilities` for each sentence.
        tags: the task's tags.
        sentences: labelled, in the order of the predictions.
    """
    probabilities, correct = [], []
    for (best, marginals, steps), sentence in zip(predictions, sentences, strict=True):
        predicted = tags.decode(best, sentence)
        n = len(predicted)
        if tags.are_spans:
            gold, spans = set(strict_spans(sentence.tags, "bioes")), strict_spans(predicted, "bioes")
            probabilities.append(span_probabilities(spans, best[:n], marginals[:n], steps[:n]))
            correct += [span in gold for span in spans]
        else:
            probabilities.append(np.minimum(marginals[np.arange(n), best[:n]], 1.0))
            correct += [a == b for a, b in zip(sentence.tags, predicted, strict=True)]
    return calibration(np.concatenate([[], *probabilities]), correct)
