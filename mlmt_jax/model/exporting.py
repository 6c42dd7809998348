"""A task model as StableHLO programs that run without this package's model."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import export

from mlmt_jax.model.decoding import best_tags
from mlmt_jax.model.tagger import TaskModel, emissions
from mlmt_jax.types import Batch, Params

__all__ = ["PLATFORMS", "export_programs"]

#: What the programs are lowered for; they run on the one that is there.
PLATFORMS = ("cpu", "cuda")


def export_programs(task: TaskModel, params: Params) -> tuple[bytes, bytes, list[Any]]:
    """The programs of a task model, for any number of sentences, words and characters.

    Returns:
        Serialised ``jax.export.Exported`` of two functions, and the parameters that are their first argument:

        - (parameters, all of a ``Batch`` but its tags) -> emissions (B, n, t) float32;
        - (parameters, emissions (B, n, t), lengths (B,)) -> tags (B, n) int32.

        n is a multiple of 16.
    """
    leaves, structure = jax.tree.flatten(task.own(params))

    def score(leaves, *words):
        batch = Batch(*words, tags=words[-2])
        return emissions(task, jax.tree.unflatten(structure, leaves), batch)

    def tag(leaves, scores, lengths):
        chain = task.crf(jax.tree.unflatten(structure, leaves))
        return best_tags(scores, chain, lengths, lengths)[0]

    scope = export.SymbolicScope()

    def array(shape: str, dtype=jnp.int32) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(export.symbolic_shape(shape, scope=scope), dtype)

    # A loop over n - 1 words can be traced where n is known to be above 1.
    sentence = "B, 16*m"
    given = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]
    sizes = dict.fromkeys(Batch._fields, "U") | dict.fromkeys(("chars", "owners"), "C")
    sizes |= dict.fromkeys(("tokens", "places", "back"), "B + p")  # there is room for more than B words
    sizes |= {"starts": "16*m + 1", "position": sentence, "lengths": "B"}
    words = [array(sizes[name], jnp.uint32 if name == "places" else jnp.int32) for name in Batch._fields[:-1]]
    t = task.crf(params).start.shape[0]
    scores = array(f"{sentence}, {t}", jnp.float32), array("B")
    programs = [
        export.export(jax.jit(function), platforms=PLATFORMS)(given, *arguments).serialize()
        for function, arguments in ((score, words), (tag, scores))
    ]
    return bytes(programs[0]), bytes(programs[1]), leaves
