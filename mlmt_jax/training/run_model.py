"""Inference: the compiled programs of a task model, run on any number of sentences."""

from functools import partial

import jax
import numpy as np

from mlmt_jax.batches.encoded_sentences import EncodedSentences
from mlmt_jax.batches.windows import Programs, run_programs
from mlmt_jax.model import (
    Reader,
    TaskModel,
    TaskSettings,
    by_role,
    char_features,
    decode,
    padded_task,
    role_params,
    sentence_emissions,
    task_settings,
    without_padding_tags,
)
from mlmt_jax.training.compiler_options import COMPILER_OPTIONS
from mlmt_jax.types import DistinctWords, Params

_jit = partial(jax.jit, compiler_options=COMPILER_OPTIONS)
_char_features = _jit(char_features, static_argnums=(0, 1))
_decode = _jit(decode, static_argnums=(0, 4))
_emissions = _jit(sentence_emissions, static_argnums=0)


@partial(_jit, static_argnums=(0, 1))
def _read(task: TaskModel, read: Reader, params: Params, settings: TaskSettings, arrays: tuple):
    scores, lengths, gold = arrays
    return read(scores, task.chain(params, settings), lengths, gold)


class Inference:
    """A task model with its parameters, as the programs by role take them."""

    def __init__(self, task: TaskModel, params: Params):
        """Prepare the parameters: pad them and move them to the device.

        Args:
            task: the task model.
            params: parameters of the run, or of the task model alone, of its or of padded shapes.
        """
        self._task, self._tags = by_role(padded_task(task)), len(task.crf.module.tag_names)
        self._params, self._settings = jax.device_put((role_params(task, params), task_settings(task)))
        # Rows are gathered on the host: the size of a vocabulary would make further programs.
        self._table = params[task.word_embed.name]["table"]

    def run(self, read: Reader, sentences: EncodedSentences, batch_size: int) -> list[tuple[np.ndarray, ...]]:
        """Apply a reader to the emissions of every sentence.

        A program is compiled for each new reader and batch shape.

        Args:
            read: what to compute from the emissions, such as the best tags.
            sentences: encoded, of any number and length.
            batch_size: sentences in a batch.

        Returns:
            The reader's arrays for each sentence, in order. Word axes are padded.
        """
        task, params, settings = self._task, self._params, self._settings
        programs = Programs(
            features=self._word_features,
            read_batch=lambda x, batch: _decode(task, params, x, batch, read, settings),
            emissions=lambda x, batch: _emissions(task, params, x, batch, None, settings),
            read_emissions=lambda *arrays: _read(task, read, params, settings, arrays),
        )
        results = run_programs(sentences, batch_size, programs)
        return [without_padding_tags(read, arrays, self._tags) for arrays in results]

    def _word_features(self, words: DistinctWords) -> np.ndarray:
        """Compute the features of distinct words, (U, d) float32."""
        task = self._task
        features = [np.asarray(self._table)[np.asarray(words.table_rows)[words.row_index]]]
        if task.char_embed is not None:
            chars = _char_features(task.char_embed, task.char_highway, self._params, words)
            features.append(np.asarray(chars))
        return np.concatenate(features, 1)
