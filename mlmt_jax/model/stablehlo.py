"""A task model as StableHLO programs that run without this package's model."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import export

from mlmt_jax.model.readers import best_tags
from mlmt_jax.model.task_model import TaskModel, sentence_emissions, word_features
from mlmt_jax.types import DistinctWords, PackedSentences, Params

__all__ = ["PLATFORMS", "export_programs"]

#: What the programs are lowered for; they run on the one that is there.
PLATFORMS = ("cpu", "cuda")


def export_programs(task: TaskModel, params: Params) -> tuple[dict[str, bytes], list[Any]]:
    """The programs of a task model, for any number of sentences, words and characters.

    Returns:
        Serialised ``jax.export.Exported`` of three functions, and the parameters that are their first
        argument:

        - ``features``: (parameters, all of ``DistinctWords``) -> features (U, d) float32;
        - ``emissions``: (parameters, features of packed words (P, d), all of ``PackedSentences`` but the tags)
          -> emissions (B, n, t) float32;
        - ``tags``: (parameters, emissions (B, n, t), lengths (B,)) -> tags (B, n) int32.

        n is a multiple of 16.
    """
    leaves, structure = jax.tree.flatten(task.own(params))

    def features(leaves, *words):
        return word_features(task, jax.tree.unflatten(structure, leaves), DistinctWords(*words))

    def score(leaves, x, *sentences):
        own = PackedSentences(*sentences, tags=sentences[-2])
        return sentence_emissions(task, jax.tree.unflatten(structure, leaves), x, own)

    def tag(leaves, scores, lengths):
        chain = task.crf(jax.tree.unflatten(structure, leaves))
        return best_tags(scores, chain, lengths, lengths)[0]

    scope = export.SymbolicScope()

    def array(shape: str, dtype=jnp.int32) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(export.symbolic_shape(shape, scope=scope), dtype)

    # A loop over n - 1 words can be traced where n is known to be above 1.
    sentence = "B, 16*m"
    packed = "B + p"  # there is room for more than B words
    given = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]
    words = [array("C" if name in ("chars", "segment_ids") else "U") for name in DistinctWords._fields]
    [_, d] = jax.eval_shape(features, given, *words).shape
    dropout_ids, reversal, step_starts = array(packed, jnp.uint32), array(packed), array("16*m + 1")
    sentences = dropout_ids, reversal, step_starts, array(sentence), array("B")
    t = task.crf(params).start.shape[0]
    programs = {
        "features": (features, words),
        "emissions": (score, [array(f"{packed}, {d}", jnp.float32), *sentences]),
        "tags": (tag, [array(f"{sentence}, {t}", jnp.float32), array("B")]),
    }
    return {
        name: bytes(export.export(jax.jit(function), platforms=PLATFORMS)(given, *arguments).serialize())
        for name, (function, arguments) in programs.items()
    }, leaves
