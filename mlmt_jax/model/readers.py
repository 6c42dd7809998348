"""Readers: functions that decode emissions into tags, and if needed losses, probabilities or n-best lists.

A reader is a function of emissions (B, n, t), the chain, lengths (B,), gold tags (B, n) and a temperature ().
It returns a tuple of arrays with leading batch axis. Readers are hashable, since they are static arguments of
jit.

A temperature T divides all scores: log P(tags) = score(tags) / T - log Z. It changes the probabilities
of `tags_and_probabilities` and `NBest`, and nothing else: tags are those of the scores themselves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from mlmt_jax import crf
from mlmt_jax.crf import Chain
from mlmt_jax.model.task_model import TaskModel, TaskSettings, sentence_emissions
from mlmt_jax.types import Array, PackedSentences, Params

Arrays = tuple[jax.Array, ...]
Reader = Callable[..., Arrays]

#: The temperatures of `losses_by_temperature`, ascending.
TEMPERATURES = tuple(np.geomspace(0.25, 16.0, 25).tolist())


def decode(
    task: TaskModel,
    params: Params,
    x: Array,
    sentences: PackedSentences,
    reader: Reader,
    settings: TaskSettings | None = None,
) -> Arrays:
    """Apply a reader to sentences, given the features of their packed words (P, d).

    ``settings`` are those of a task model by role.
    """
    scores = sentence_emissions(task, params, x, sentences, settings=settings)
    chain = task.chain(params, settings)
    return reader(scores, chain, jnp.asarray(sentences.lengths), jnp.asarray(sentences.tags))


def best_tags(
    scores: Array, chain: Chain, lengths: Array, gold: Array, temperature: Array | float = 1.0
) -> Arrays:
    """Return the best tags (B, n) int32 of every sentence, in a tuple."""
    return crf.viterbi(scores, chain, lengths)[:1]


def tags_and_losses(
    scores: Array, chain: Chain, lengths: Array, gold: Array, temperature: Array | float = 1.0
) -> Arrays:
    """Return the best tags (B, n) int32, and the losses (B,) of the gold tags in nats.

    If a gold tag of a sentence is -1 (unknown to the task), its loss is NaN. If the model has no finite
    numbers for a sentence, its loss is infinite.
    """
    is_known = jnp.all((gold >= 0) | (jnp.arange(gold.shape[-1]) >= lengths[:, None]), -1)
    losses = -crf.log_likelihood(scores, jnp.maximum(gold, 0), chain, lengths)
    losses = jnp.where(jnp.isnan(losses), jnp.inf, losses)
    return *best_tags(scores, chain, lengths, gold), jnp.where(is_known, losses, jnp.nan)


def losses_by_temperature(
    scores: Array, chain: Chain, lengths: Array, gold: Array, temperature: Array | float = 1.0
) -> Arrays:
    """Return the losses (B, temperatures) of the gold tags in nats at each of `TEMPERATURES`.

    If a gold tag of a sentence is -1 (unknown to the task), its losses are NaN.
    """
    losses = jax.lax.map(
        lambda t: tags_and_losses(*_divided(scores, chain, t), lengths, gold)[1], jnp.asarray(TEMPERATURES)
    )
    return (losses.T,)


def _divided(scores: Array, chain: Chain, temperature: Array | float) -> tuple[Array, Chain]:
    """Return emissions and chain with all scores divided by a temperature."""
    return scores / temperature, Chain(*(part / temperature for part in chain))


def all_marginals(
    scores: Array, chain: Chain, lengths: Array, gold: Array, temperature: Array | float = 1.0
) -> Arrays:
    """Return the marginals of every word's tags (B, n, t), and of pairs of neighbours (B, n - 1, t, t)."""
    return crf.marginals(scores, chain, lengths), crf.pair_marginals(scores, chain, lengths)


def tags_and_probabilities(
    scores: Array, chain: Chain, lengths: Array, gold: Array, temperature: Array | float = 1.0
) -> Arrays:
    """Return best tags (B, n) int32, marginals (B, n, t), and ``crf.path_log_probabilities`` of the tags."""
    (tags,) = best_tags(scores, chain, lengths, gold)
    scores, chain = _divided(scores, chain, temperature)
    steps = crf.path_log_probabilities(scores, tags, chain, lengths)
    return tags, crf.marginals(scores, chain, lengths), steps


# Number of tag axes, the last ones, of each array of the readers that have any.
_TAG_AXES: dict[Reader, tuple[int, ...]] = {all_marginals: (1, 2), tags_and_probabilities: (0, 1, 0)}


def without_padding_tags(reader: Reader, arrays: Sequence[np.ndarray], tags: int) -> tuple[np.ndarray, ...]:
    """Return the arrays of a reader for some sentences with ``tags`` tags; padding tags are cut off."""
    axes = _TAG_AXES.get(reader, (0,) * len(arrays))
    return tuple(array[..., *[slice(tags)] * n] for array, n in zip(arrays, axes, strict=True))


@dataclass(frozen=True)
class NBest:
    """A reader of the k best tag sequences (B, k, n) int32 and their log P (B, k) nats, ``-inf`` for none."""

    k: int

    def __call__(
        self, scores: Array, chain: Chain, lengths: Array, gold: Array, temperature: Array | float = 1.0
    ) -> Arrays:
        """Return the tag sequences, the most probable first, and their log-probabilities."""
        tags, totals = crf.k_best(scores, chain, lengths, self.k)
        scores, chain = _divided(scores, chain, temperature)
        path_log = lambda path: jnp.sum(crf.path_log_probabilities(scores, path, chain, lengths), -1)
        logs = jnp.where(jnp.isneginf(totals), -jnp.inf, jax.vmap(path_log, 1, 1)(tags))
        # Nearly equal paths may be ordered otherwise than by their totals; the best one stays first.
        order = jnp.argsort(logs[:, 1:], 1, descending=True)
        order = jnp.pad(order + 1, ((0, 0), (1, 0)))
        return jnp.take_along_axis(tags, order[..., None], 1), jnp.take_along_axis(logs, order, 1)
