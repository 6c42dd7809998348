"""What a task model says of many sentences: its programs, compiled once for each shape and reader."""

from collections.abc import Sequence
from functools import partial

import jax
import numpy as np

from mlmt_jax.crf import Chain
from mlmt_jax.data.assembly import Contents
from mlmt_jax.data.sorted_batches import padded_rows, padded_words
from mlmt_jax.data.windows import LONGEST, Programs, run_programs
from mlmt_jax.model import Reader, TaskModel, decode, emissions_of, word_features
from mlmt_jax.types import Params

__all__ = ["infer", "read_scores"]

_features = jax.jit(word_features, static_argnums=0)
_decode = jax.jit(decode, static_argnums=(0, 4))
_emissions = jax.jit(emissions_of, static_argnums=0)


@partial(jax.jit, static_argnums=(0, 2))
def _read(task: TaskModel, params: Params, read: Reader, scores, lengths, gold) -> tuple[jax.Array, ...]:
    return read(scores, task.crf(params), lengths, gold)


def infer(
    task: TaskModel, params: Params, read: Reader, contents: Contents, batch_size: int
) -> list[tuple[np.ndarray, ...]]:
    """Reads every sentence.

    Args:
        task: the task model.
        params: of the run, or the task model's own.
        read: what to read; nothing else is computed.
        contents: of any number of sentences, of any length.
        batch_size: sentences in a batch.

    Returns:
        Of each sentence, in the order given, its rows of the reader's arrays; axes of words are padded.
    """
    own = task.own(params)
    programs = Programs(
        features=lambda words: _features(task, own, words),
        whole=lambda x, batch: _decode(task, own, x, batch, read),
        emissions=lambda x, batch: _emissions(task, own, x, batch),
        read=lambda scores, lengths, gold: _read(task, own, read, scores, lengths, gold),
    )
    return run_programs(contents, batch_size, programs)


@partial(jax.jit, static_argnums=0)
def _read_chain(read: Reader, scores, chain: Chain, lengths, gold) -> tuple[jax.Array, ...]:
    return read(scores, chain, lengths, gold)


def read_scores(
    read: Reader,
    chain: Chain,
    scores: Sequence[np.ndarray],
    gold: Sequence[np.ndarray],
    batch_size: int,
) -> list[tuple[np.ndarray, ...]]:
    """Reads sentences whose scores are there already.

    Args:
        read: what to read.
        chain: of the CRF.
        scores: of each sentence, (n, t) float32 nats.
        gold: of each sentence, (n,) int32 tags; -1 for one that is not known.
        batch_size: sentences in a batch.

    Returns:
        As ``infer``.
    """
    lengths = np.array([len(own) for own in scores], np.int32)
    found: list[tuple[np.ndarray, ...]] = [()] * len(scores)
    order = np.argsort(lengths, kind="stable")
    # Long sentences go one at a time: the others would be padded to them.
    short = order[lengths[order] <= LONGEST]
    groups = [short[first : first + batch_size] for first in range(0, len(short), batch_size)]
    groups += [order[i : i + 1] for i in range(len(short), len(order))]
    for chosen in groups:
        n = padded_words(int(lengths[chosen].max()))
        rows = padded_rows(len(chosen), batch_size)
        values = np.zeros((rows, n, len(chain.start)), np.float32)
        tags, own_lengths = np.zeros((rows, n), np.int32), np.zeros(rows, np.int32)
        own_lengths[: len(chosen)] = lengths[chosen]
        for row, i in enumerate(chosen):
            values[row, : lengths[i]], tags[row, : lengths[i]] = scores[i], gold[i]
        arrays = [np.asarray(array) for array in _read_chain(read, values, chain, own_lengths, tags)]
        for row, i in enumerate(chosen):
            found[i] = tuple(array[row] for array in arrays)
    return found
