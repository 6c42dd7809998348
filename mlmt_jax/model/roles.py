"""Task models by role: programs are compiled for these, whatever the names and exact sizes of a run.

Two task models with the same kinds of components and the same padded sizes are equal by role, and use the
same programs. The sizes that come from the data are padded: the number of tags, the rows of the character
table. The rows of the word table are no size of a program, which receives gathered rows. Padding tags are
``-inf`` in the chain, so that scores stay exact.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from mlmt_jax.crf import CRF, Chain
from mlmt_jax.model.build import Model, init_params
from mlmt_jax.model.task_model import SITES, TaskModel, TaskSettings
from mlmt_jax.types import Params, Sizes

# The smallest padded sizes; larger ones are these times a power of two. 24 tags suffice for five types of
# BIOES spans, and for the universal parts of speech.
_FEWEST_TAGS, _FEWEST_CHARACTERS = 24, 128

_NO_SIZES = Sizes({}, 0, {}, {})


def _padded_size(size: int, smallest: int) -> int:
    """Return the smallest of ``smallest`` times a power of two that is at least ``size``."""
    return smallest << max(0, -(-size // smallest) - 1).bit_length()


@lru_cache
def pad_task(task: TaskModel) -> TaskModel:
    """Return the task model with padded tags and characters; its CRF has no tag names and no constraints."""
    tags = _padded_size(len(task.crf.module.tag_names), _FEWEST_TAGS)
    parts = dict(task.parts)
    for role, part in parts.items():
        if role in ("univ_layer", "spec_layer", "gate"):
            module = part.module.clone(features=tags)
        elif role == "char_embed":
            characters = _padded_size(part.module.characters, _FEWEST_CHARACTERS)
            module = part.module.clone(characters=characters)
        elif role == "crf":
            module = CRF(("",) * tags)
        else:
            continue
        parts[role] = part._replace(module=module)
    return replace(task, **parts)


@lru_cache
def by_role(task: TaskModel) -> TaskModel:
    """Return the padded task model with roles in place of names, and without what ``TaskSettings`` holds.

    A dropout rate becomes 1 if the site has dropout, else 0. The word table has no rows.
    """
    parts = {role: part._replace(name=role) for role, part in pad_task(task).parts.items()}
    word_embed, lstm = parts["word_embed"].module, parts["lstm"].module
    parts["word_embed"] = parts["word_embed"]._replace(module=word_embed.clone(rows=0))
    module = lstm.clone(forget_bias=0.0, dropout=float(lstm.dropout > 0))
    parts["lstm"] = parts["lstm"]._replace(module=module)
    rates = {site: float(getattr(task, site) > 0) for site in SITES}
    return replace(task, name="", **parts, **rates)


@lru_cache
def role_shapes(task: TaskModel) -> Params:
    """Return the shapes of the parameters of a task model, by component, as ``jax.ShapeDtypeStruct``."""
    return jax.eval_shape(lambda: init_params(Model({"": task}, _NO_SIZES), jax.random.key(0)))


def role_params(task: TaskModel, params: Params) -> Params:
    """Return the parameters of a task model by role, without the word table; padded on the host if needed."""
    shapes = role_shapes(by_role(task))
    return {
        role: resize(params[part.name], shapes[role])
        for role, part in task.parts.items()
        if role != "word_embed"
    }


def task_settings(task: TaskModel) -> TaskSettings:
    """Return the settings of a task model for the programs of ``by_role``."""
    t, padded = len(task.crf.module.tag_names), len(pad_task(task).crf.module.tag_names)
    constraints = [
        np.pad(values, [(0, padded - t)] * values.ndim, constant_values=-np.inf)
        for values in task.crf.module.constraints()
    ]
    rates = {site: np.float32(rate) for site, rate in task.dropout_rates.items()}
    return TaskSettings(Chain(*constraints), rates)


def resize(tree: Any, like: Any) -> Any:
    """Return a pytree in the shapes of ``like``: cut off, or padded with zeros, as NumPy arrays.

    An array that has its shape already is returned as it is.
    """

    def resize_array(x: Any, like: Any) -> Any:
        if x.shape == like.shape:
            return x
        x, resized = np.asarray(x), np.zeros(like.shape, like.dtype)
        common = tuple(slice(min(a, b)) for a, b in zip(x.shape, like.shape, strict=True))
        resized[common] = x[common]
        return resized

    return jax.tree.map(resize_array, tree, like)
