"""What a task model says of many sentences: its programs, compiled once for each shape and reader."""

from functools import partial

import jax
import numpy as np

from mlmt_jax.batches.encoded_sentences import EncodedSentences
from mlmt_jax.batches.windows import Programs, run_programs
from mlmt_jax.model import Reader, TaskModel, decode, sentence_emissions, word_features
from mlmt_jax.training.compiler_options import COMPILER_OPTIONS
from mlmt_jax.types import Params

__all__ = ["infer"]

_jit = partial(jax.jit, compiler_options=COMPILER_OPTIONS)
_features = _jit(word_features, static_argnums=0)
_decode = _jit(decode, static_argnums=(0, 4))
_emissions = _jit(sentence_emissions, static_argnums=0)


@partial(_jit, static_argnums=(0, 2))
def _read(task: TaskModel, params: Params, read: Reader, scores, lengths, gold) -> tuple[jax.Array, ...]:
    return read(scores, task.crf(params), lengths, gold)


def infer(
    task: TaskModel, params: Params, read: Reader, sentences: EncodedSentences, batch_size: int
) -> list[tuple[np.ndarray, ...]]:
    """Reads every sentence.

    Args:
        task: the task model.
        params: of the run, or the task model's own.
        read: what to read; nothing else is computed.
        sentences: any number, of any length.
        batch_size: sentences in a batch.

    Returns:
        Of each sentence, in the order given, its rows of the reader's arrays; axes of words are padded.
    """
    own = task.own(params)
    programs = Programs(
        features=lambda words: _features(task, own, words),
        read_batch=lambda x, batch: _decode(task, own, x, batch, read),
        emissions=lambda x, batch: _emissions(task, own, x, batch),
        read_emissions=lambda scores, lengths, gold: _read(task, own, read, scores, lengths, gold),
    )
    return run_programs(sentences, batch_size, programs)
