"""What is read off emissions: tags, and only where asked for losses, probabilities, further sequences.

A reader is a function of emissions (B, n, t), the chain, lengths (B,) and gold tags (B, n); it returns a
tuple of arrays that begin with the batch axis. Readers are hashable: static arguments of jit.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from mlmt_jax import crf
from mlmt_jax.crf import Chain
from mlmt_jax.model.masking import length_mask
from mlmt_jax.model.task_model import TaskModel, sentence_emissions
from mlmt_jax.types import PackedSentences, Params

__all__ = [
    "NBest",
    "Reader",
    "all_marginals",
    "best_tags",
    "decode",
    "tags_and_losses",
    "tags_and_probabilities",
]

Reader = Callable[[jax.Array, Chain, jax.Array, jax.Array], tuple[jax.Array, ...]]


def decode(
    task: TaskModel, params: Params, x: jax.Array, sentences: PackedSentences, read: Reader
) -> tuple[jax.Array, ...]:
    """What a reader gives of whole sentences, from the features of their packed words (P, d)."""
    scores, chain = sentence_emissions(task, params, x, sentences), task.crf(params)
    return read(scores, chain, jnp.asarray(sentences.lengths), jnp.asarray(sentences.tags))


def best_tags(scores: jax.Array, chain: Chain, lengths: jax.Array, gold: jax.Array) -> tuple[jax.Array, ...]:
    """The best tags (B, n) int32 of every sentence."""
    return crf.viterbi(scores, chain, lengths)[:1]


def tags_and_losses(
    scores: jax.Array, chain: Chain, lengths: jax.Array, gold: jax.Array
) -> tuple[jax.Array, ...]:
    """The best tags (B, n) int32, and the losses (B,) nats of the gold tags.

    A sentence with a gold tag that the task does not know, -1, has the loss NaN; one for which the model has
    no finite numbers, infinity.
    """
    known = jnp.all((gold >= 0) | ~length_mask(lengths, gold.shape[-1]), -1)
    losses = -crf.log_likelihood(scores, jnp.maximum(gold, 0), chain, lengths)
    losses = jnp.where(jnp.isnan(losses), jnp.inf, losses)
    return *best_tags(scores, chain, lengths, gold), jnp.where(known, losses, jnp.nan)


def all_marginals(
    scores: jax.Array, chain: Chain, lengths: jax.Array, gold: jax.Array
) -> tuple[jax.Array, ...]:
    """The probabilities of every word's tags (B, n, t), and of those of neighbours (B, n - 1, t, t)."""
    return crf.marginals(scores, chain, lengths), crf.pair_marginals(scores, chain, lengths)


def tags_and_probabilities(
    scores: jax.Array, chain: Chain, lengths: jax.Array, gold: jax.Array
) -> tuple[jax.Array, ...]:
    """The best tags (B, n) int32, all marginals (B, n, t), and ``crf.path_log_probabilities`` of the tags."""
    (tags,) = best_tags(scores, chain, lengths, gold)
    steps = crf.path_log_probabilities(scores, tags, chain, lengths)
    return tags, crf.marginals(scores, chain, lengths), steps


@dataclass(frozen=True)
class NBest:
    """Reads the k best tag sequences (B, k, n) int32, and log P of each (B, k) nats, ``-inf`` for none."""

    k: int

    def __call__(
        self, scores: jax.Array, chain: Chain, lengths: jax.Array, gold: jax.Array
    ) -> tuple[jax.Array, ...]:
        """A reader."""
        tags, totals = crf.k_best(scores, chain, lengths, self.k)
        along = lambda path: jnp.sum(crf.path_log_probabilities(scores, path, chain, lengths), -1)
        logs = jnp.where(jnp.isneginf(totals), -jnp.inf, jax.vmap(along, 1, 1)(tags))
        # Nearly equal ones may come out in another order than that of their totals; the best stays first.
        order = jnp.argsort(logs[:, 1:], 1, descending=True)
        order = jnp.pad(order + 1, ((0, 0), (1, 0)))
        return jnp.take_along_axis(tags, order[..., None], 1), jnp.take_along_axis(logs, order, 1)
