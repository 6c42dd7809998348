"""Inference: a task model's compiled programs, run on any number of sentences."""

from functools import partial

import jax
import numpy as np

from mlmt_jax.batches.encoded_sentences import EncodedSentences
from mlmt_jax.batches.windows import Programs, run_programs
from mlmt_jax.model import Reader, TaskModel, decode, sentence_emissions, word_features
from mlmt_jax.training.compiler_options import COMPILER_OPTIONS
from mlmt_jax.types import Params

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
    """Apply a reader to the emissions of every sentence.

    A program is compiled for each new reader and batch shape.

    Args:
        task: the task model.
        params: parameters of the run, or of the task model alone.
        read: what to compute from the emissions, such as the best tags.
        sentences: encoded, of any number and length.
        batch_size: sentences in a batch.

    Returns:
        The reader's arrays for each sentence, in order. Word axes are padded.
    """
    task_params = task.select(params)
    programs = Programs(
        features=lambda words: _features(task, task_params, words),
        read_batch=lambda x, batch: _decode(task, task_params, x, batch, read),
        emissions=lambda x, batch: _emissions(task, task_params, x, batch),
        read_emissions=lambda scores, lengths, gold: _read(task, task_params, read, scores, lengths, gold),
    )
    return run_programs(sentences, batch_size, programs)
