"""Inference: the compiled programs of a task model, run on any number of sentences."""

from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from mlmt_jax.batches.encoded_sentences import EncodedSentences
from mlmt_jax.batches.inference_batches import batch_shapes, example_batches, word_blocks
from mlmt_jax.batches.windows import Programs, run_programs
from mlmt_jax.model.readers import Reader, decode, without_padding_tags
from mlmt_jax.model.roles import by_role, padded_task, role_params, role_shapes, task_settings
from mlmt_jax.model.task_model import TaskModel, TaskSettings, char_features, sentence_emissions
from mlmt_jax.training.programs import Program
from mlmt_jax.types import Array, DistinctWords, Params


class _Scaling(NamedTuple):
    """Values of a task model that its programs take as arguments."""

    settings: TaskSettings
    temperature: Array | np.float32  # ()


def _decode(task: TaskModel, read: Reader, params: Params, scaling: _Scaling, x, sentences):
    return decode(
        task, params, x, sentences, partial(read, temperature=scaling.temperature), scaling.settings
    )


def _read(task: TaskModel, read: Reader, params: Params, scaling: _Scaling, arrays: tuple):
    scores, lengths, gold = arrays
    return read(scores, task.chain(params, scaling.settings), lengths, gold, scaling.temperature)


# The programs of all task models.
_char_features, _emissions = Program(char_features, 2), Program(sentence_emissions, 1)
_decode_program, _read_program = Program(_decode, 2), Program(_read, 2)


def compile_in_advance(task: TaskModel, read: Reader, sentences: EncodedSentences, batch_size: int) -> None:
    """Start to compile, in threads, the programs that ``Inference.run`` uses for these sentences."""
    role_task = by_role(padded_task(task))
    char_params, params = _divided(role_shapes(role_task))
    scaling = _Scaling(task_settings(task), np.float32(1.0))
    d = task.word_embed.module.dimension
    if task.char_embed is not None:
        d += task.char_embed.module.features
        _, block = next(word_blocks(sentences.words))
        _char_features.compile_in_advance(role_task.char_embed, role_task.char_highway, char_params, block)
    for word_ids, batch in example_batches(sentences, batch_shapes(len(sentences.lengths), batch_size)):
        x = jax.ShapeDtypeStruct((len(word_ids), d), np.float32)
        _decode_program.compile_in_advance(role_task, read, params, scaling, x, batch)


def _divided(params: Params) -> tuple[Params, Params]:
    """Return parameters by role in two parts: those of characters, and those behind the words' features."""
    chars = {role: subtree for role, subtree in params.items() if role in ("char_embed", "char_highway")}
    return chars, {role: params[role] for role in params if role not in (*chars, "word_embed")}


class Inference:
    """A task model with its parameters, as the programs by role take them."""

    def __init__(self, task: TaskModel, params: Params):
        """Prepare the parameters: pad them and move them to the device.

        Args:
            task: the task model.
            params: parameters of the run, or of the task model alone, of its or of padded shapes.
        """
        self._task, self._tags = by_role(padded_task(task)), len(task.crf.module.tag_names)
        divided = _divided(role_params(task, params))
        self._char_params, self._params = jax.device_put(divided)
        self._settings = jax.device_put(task_settings(task))
        # Rows are gathered on the host: the size of a vocabulary would make further programs.
        self._table = params[task.word_embed.name]["table"]

    def run(
        self, read: Reader, sentences: EncodedSentences, batch_size: int, temperature: float = 1.0
    ) -> list[tuple[np.ndarray, ...]]:
        """Apply a reader to the emissions of every sentence.

        A program is compiled for each new reader and batch shape.

        Args:
            read: what to compute from the emissions, such as the best tags.
            sentences: encoded, of any number and length.
            batch_size: sentences in a batch.
            temperature: that of the probabilities.

        Returns:
            The reader's arrays for each sentence, in order. Word axes are padded.
        """
        task, params, settings = self._task, self._params, self._settings
        scaling = _Scaling(settings, np.float32(temperature))
        programs = Programs(
            features=self._word_features,
            read_batch=lambda x, batch: _decode_program(task, read, params, scaling, x, batch),
            emissions=lambda x, batch: _emissions(task, params, x, batch, None, settings),
            read_emissions=lambda *arrays: _read_program(task, read, params, scaling, arrays),
        )
        results = run_programs(sentences, batch_size, programs)
        return [without_padding_tags(read, arrays, self._tags) for arrays in results]

    def _word_features(self, words: DistinctWords) -> np.ndarray:
        """Compute the features of distinct words, (U, d) float32."""
        task = self._task
        features = [np.asarray(self._table)[np.asarray(words.table_rows)[words.row_index]]]
        if task.char_embed is not None:
            chars = _char_features(task.char_embed, task.char_highway, self._char_params, words)
            features.append(np.asarray(chars))
        return np.concatenate(features, 1)
