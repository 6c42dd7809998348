"""Task models by role: programs are compiled for these, whatever the names and exact sizes of a run.

Two task models with the same kinds of components and the same padded sizes are equal by role, and use the
same programs. The sizes that come from the data are padded: the number of tags, the rows of the character
table. The rows of the word table are no size of a program, which receives gathered rows. Padding tags are
``-inf`` in the chain, so that scores stay exact.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from mlmt_jax.crf import Chain
from mlmt_jax.model.build import Model, init_params
from mlmt_jax.model.task_model import SITES, TaskModel, TaskSettings
from mlmt_jax.types import Params, Sizes

# The smallest padded sizes. 24 tags suffice for five types of BIOES spans, and for the universal parts of
# speech.
_FEWEST_TAGS, _FEWEST_CHARACTERS, _FEWEST_ROWS = 24, 128, 1024

_NO_SIZES = Sizes({}, 0, {}, {})


def _padded_size(size: int, smallest: int) -> int:
    """Return the smallest of ``smallest`` times a power of two that is at least ``size``."""
    return smallest << max(0, -(-size // smallest) - 1).bit_length()


def padded_rows(rows: int) -> int:
    """Return the padded number of rows of a word table: at most a quarter more, from 1,024 rows on."""
    rows = max(rows, _FEWEST_ROWS)
    quarter = 1 << (rows - 1).bit_length() - 3  # of the largest power of two below
    return -(-rows // quarter) * quarter


def pad_models(models: Sequence[Model]) -> Model:
    """Return the model whose parameters have room for those of several models with the same tags.

    Its CRFs have no tag names and no constraints.
    """
    tasks = {}
    for name, task in models[0].tasks.items():
        same = [model.tasks[name] for model in models]
        rows = padded_rows(max(task.word_embed.module.rows for task in same))
        characters = max(task.char_embed.module.characters if task.char_embed else 0 for task in same)
        tasks[name] = _padded(task, rows, characters)
    return Model(tasks, models[0].sizes)


@lru_cache
def _padded(task: TaskModel, rows: int, characters: int) -> TaskModel:
    """Return a task model with padded tags, ``rows`` of the word table, and room for so many characters."""
    tags = _padded_size(len(task.crf.module.tag_names), _FEWEST_TAGS)
    sizes = {
        "word_embed": {"rows": rows},
        "char_embed": {"characters": _padded_size(characters, _FEWEST_CHARACTERS)},
        "univ_layer": {"features": tags},
        "spec_layer": {"features": tags},
        "gate": {"features": tags},
        "crf": {"tag_names": ("",) * tags, "scheme": None},
    }
    parts = {
        role: part._replace(module=part.module.clone(**sizes.get(role, {})))
        for role, part in task.parts.items()
    }
    return replace(task, **parts)


@lru_cache
def padded_task(task: TaskModel) -> TaskModel:
    """Return a task model with padded tags and characters, whose word table has no rows."""
    return _padded(task, 0, task.char_embed.module.characters if task.char_embed else 0)


@lru_cache
def by_role(task: TaskModel) -> TaskModel:
    """Return the task model with roles in place of names, and without what ``TaskSettings`` holds.

    A dropout rate becomes 1 if the site has dropout, else 0. The CRF keeps the number of its tags alone, the
    word table none of its rows. Sizes are those of ``task``, padded or not.
    """
    parts = {role: part._replace(name=role) for role, part in task.parts.items()}
    lstm, crf = parts["lstm"].module, parts["crf"].module
    replaced = {
        "word_embed": {"rows": 0},
        "lstm": {"forget_bias": 0.0, "dropout": float(lstm.dropout > 0)},
        "crf": {"tag_names": ("",) * len(crf.tag_names), "scheme": None},
    }
    for role, fields in replaced.items():
        parts[role] = parts[role]._replace(module=parts[role].module.clone(**fields))
    rates = {site: float(getattr(task, site) > 0) for site in SITES}
    return replace(task, name="", **parts, **rates)


@lru_cache
def role_shapes(task: TaskModel) -> Params:
    """Return the shapes of the parameters of a task model, by component, as ``jax.ShapeDtypeStruct``."""
    return jax.eval_shape(lambda: init_params(Model({"": task}, _NO_SIZES), jax.random.key(0)))


def role_params(task: TaskModel, params: Params) -> Params:
    """Return the parameters of a task model by role, padded, without the word table.

    Arrays that are not padded yet are copied to the host.
    """
    shapes = role_shapes(by_role(padded_task(task)))
    return {
        role: resize(params[part.name], shapes[role])
        for role, part in task.parts.items()
        if role != "word_embed"
    }


def task_settings(task: TaskModel, tags: int | None = None) -> TaskSettings:
    """Return the settings of a task model for the programs of ``by_role``.

    Args:
        task: the task model, with its tag names.
        tags: number of tags of the program; None for the padded number.
    """
    size = len(padded_task(task).crf.module.tag_names) if tags is None else tags
    constraints = [
        np.pad(values, [(0, size - len(values))] * values.ndim, constant_values=-np.inf)
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
