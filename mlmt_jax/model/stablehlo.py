"""Export of a task model as StableHLO programs, which run without the code of the model."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import export

from mlmt_jax.model.readers import best_tags
from mlmt_jax.model.task_model import TaskModel, sentence_emissions, word_features
from mlmt_jax.types import DistinctWords, PackedSentences, Params

#: Platforms for which the programs are lowered.
PLATFORMS = ("cpu", "cuda")


def export_programs(task: TaskModel, params: Params) -> tuple[dict[str, bytes], list[Any]]:
    """Export the programs of a task model, for any number of sentences, words and characters.

    The programs run on the platforms of ``PLATFORMS``, without dropout.

    Args:
        task: the task model.
        params: parameters of the run, or of the task model alone.

    Returns:
        Serialized ``jax.export.Exported`` of three functions, by name, and the list of parameter arrays that
        is their first argument:

        - ``features``: (parameters, all of ``DistinctWords``) -> features (U, d) float32;
        - ``emissions``: (parameters, features of packed words (P, d), all of ``PackedSentences`` but the
          tags) -> emissions (B, n, t) float32;
        - ``tags``: (parameters, emissions (B, n, t), lengths (B,)) -> tags (B, n) int32.

        n is a multiple of 16, and P is above B.
    """
    leaves, structure = jax.tree.flatten(task.select(params))

    def features(leaves, *words):
        return word_features(task, jax.tree.unflatten(structure, leaves), DistinctWords(*words))

    def emissions(leaves, x, *sentences):
        packed = PackedSentences(*sentences, tags=sentences[-2])  # any array: tags are not used
        return sentence_emissions(task, jax.tree.unflatten(structure, leaves), x, packed)

    def tags(leaves, scores, lengths):
        chain = task.crf(jax.tree.unflatten(structure, leaves))
        return best_tags(scores, chain, lengths, lengths)[0]

    scope = export.SymbolicScope()

    def array(shape: str, dtype=jnp.int32) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(export.symbolic_shape(shape, scope=scope), dtype)

    # The CRF's loop over n - 1 words can be traced if n is known to be above 1.
    sentence = "B, 16*m"
    packed_words = "B + p"  # more than B
    leaf_shapes = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]
    words = [array(size) for size in ("U", "U", "C", "C", "U")]
    [_, d] = jax.eval_shape(features, leaf_shapes, *words).shape
    sentences = [
        *(array(packed_words, jnp.uint32), array(packed_words), array("16*m + 1")),  # up to step_starts
        *(array(sentence), array("B")),  # packed_index, lengths
    ]
    t = task.crf(params).start.shape[0]
    programs = {
        "features": (features, words),
        "emissions": (emissions, [array(f"{packed_words}, {d}", jnp.float32), *sentences]),
        "tags": (tags, [array(f"{sentence}, {t}", jnp.float32), array("B")]),
    }
    return {
        name: bytes(export.export(jax.jit(function), platforms=PLATFORMS)(leaf_shapes, *args).serialize())
        for name, (function, args) in programs.items()
    }, leaves
