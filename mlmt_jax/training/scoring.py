"""Tags for many sentences, and the scores of a split."""

from collections.abc import Collection, Sequence
from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from mlmt_jax.data.batching import Encoded, sorted_batches
from mlmt_jax.data.corpus import Example
from mlmt_jax.metrics.scores import Score, score_spans, score_tokens
from mlmt_jax.metrics.unseen import ByWords, count_by_words
from mlmt_jax.model import TaskModel, decode
from mlmt_jax.types import Params

__all__ = ["SplitScore", "evaluate_split", "tag_sentences"]

decode_batch = jax.jit(decode, static_argnums=0)


class SplitScore(NamedTuple):
    """How a task model does on one file."""

    score: Score
    loss: float  # nats per sentence, over sentences whose gold tags the task knows; nan if there is none
    by_words: ByWords | None = None  # the same spans or tokens, by whether training had their words

    def as_json(self) -> dict:
        """The score's fields with the loss beside them, without ``by_words``."""
        return {**self.score.as_json(), "loss": self.loss if np.isfinite(self.loss) else None}


def tag_sentences(
    task: TaskModel, params: Params, tag_names: Sequence[str], sentences: Sequence[Encoded], batch_size: int
) -> tuple[list[Sequence[str]], np.ndarray]:
    """The best tags of every sentence, in the order given, and the losses (nats) of their gold tags."""
    tags: list[Sequence[str]] = [()] * len(sentences)
    losses = np.zeros(len(sentences), np.float32)
    run = partial(decode_batch, task, task.own(params))
    # All batches are handed to the device before the first result is waited for.
    pending = [(chosen, run(batch)) for chosen, batch in sorted_batches(sentences, batch_size)]
    for chosen, (best, nats) in pending:
        best, nats = np.asarray(best), np.asarray(nats)
        losses[chosen] = nats[: len(chosen)]
        for row, i in enumerate(chosen):
            tags[i] = [tag_names[tag] for tag in best[row, : len(sentences[i].words)]]
    return tags, losses


def evaluate_split(
    task: TaskModel,
    params: Params,
    tag_names: Sequence[str],
    examples: Sequence[Example],
    sentences: Sequence[Encoded],
    *,
    spans: bool,
    batch_size: int,
    seen: Collection[str] | None = None,
) -> SplitScore:
    """Scores a task model on labelled sentences (``sentences`` are the encoded ``examples``).

    Where ``seen`` has the words of its training data, what they are in is counted apart as well.
    """
    predicted, losses = tag_sentences(task, params, tag_names, sentences, batch_size)
    gold = [example.tags for example in examples]
    score = score_spans(gold, predicted, "bioes") if spans else score_tokens(gold, predicted)
    by_words = None
    if seen is not None:
        tokens = [example.tokens for example in examples]
        by_words = count_by_words(tokens, gold, predicted, "bioes" if spans else "none", seen)
    known = losses[~np.isnan(losses)]
    return SplitScore(score, float(known.mean(dtype=np.float64)) if len(known) else float("nan"), by_words)
