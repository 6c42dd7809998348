"""From a config and the data's sizes to task models and their parameters."""

import zlib
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from mlmt_jax.config import (
    CharCNNConfig,
    Config,
    CRFConfig,
    EmbeddingConfig,
    HighwayConfig,
    LinearConfig,
    LSTMConfig,
    TaskConfig,
)
from mlmt_jax.crf import CRF
from mlmt_jax.model.character_cnn import CharCNN, Highway
from mlmt_jax.model.encoder import LSTM, WordEmbedding
from mlmt_jax.model.initializers import normal
from mlmt_jax.model.linear import MLP, Linear
from mlmt_jax.model.task_model import Part, TaskModel
from mlmt_jax.types import Params, Sizes

__all__ = ["Model", "build_model", "init_params", "put_vectors"]

# The CRF's own scale, drawn as all else is.
_chain = normal(0.1)


class Model(NamedTuple):
    """All task models of a run. Those that name one component share its module and parameters."""

    tasks: dict[str, TaskModel]  # by task model name, in the config's order
    sizes: Sizes


def build_model(config: Config, sizes: Sizes) -> Model:
    """The task models of a config.

    Args:
        config: a checked config: every name is defined and every component fits its role.
        sizes: table rows and tag names, from the data.
    """
    return Model({task.name: _build_task(config, sizes, task) for task in config.tasks}, sizes)


def _build_task(config: Config, sizes: Sizes, task: TaskConfig) -> TaskModel:
    tags = tuple(sizes.tags[task.task])
    names = task.model.component_names()

    def part(role: str) -> Part:
        component = config.component(names[role])
        return Part(component.name, _BUILDERS[type(component)](component, sizes, task.task, tags))

    def optional(role: str) -> Part | None:
        return part(role) if role in names else None

    return TaskModel(
        name=task.name,
        word_embed=part("word_embed"),
        char_embed=optional("char_embed"),
        char_highway=optional("char_highway"),
        lstm=part("lstm"),
        univ_layer=part("univ_layer"),
        spec_layer=optional("spec_layer"),
        gate=Part(gate_name(task.name), Linear(len(tags))) if "spec_layer" in names else None,
        crf=part("crf"),
        embed_dropout=task.model.embed_dropout,
        lstm_dropout=task.model.lstm_dropout,
        linear_dropout=task.model.linear_dropout,
    )


def gate_name(task: str) -> str:
    """The key of a task model's gate; its slash keeps it apart from components, whose names have none."""
    return f"{task}/gate"


def _embedding(spec: EmbeddingConfig, sizes: Sizes, task: str, tags: tuple[str, ...]) -> nn.Module:
    return WordEmbedding(sizes.words[spec.name], spec.dimension)


def _char_cnn(spec: CharCNNConfig, sizes: Sizes, task: str, tags: tuple[str, ...]) -> nn.Module:
    return CharCNN(sizes.characters, spec.dimension, spec.filters)


def _highway(spec: HighwayConfig, sizes: Sizes, task: str, tags: tuple[str, ...]) -> nn.Module:
    return Highway(spec.num_layers, getattr(jax.nn, spec.activation))


def _lstm(spec: LSTMConfig, sizes: Sizes, task: str, tags: tuple[str, ...]) -> nn.Module:
    return LSTM(spec.hidden_size, spec.bidirectional, spec.forget_bias, spec.num_layers, spec.dropout)


def _linear(spec: LinearConfig, sizes: Sizes, task: str, tags: tuple[str, ...]) -> nn.Module:
    if not spec.hidden:
        return Linear(len(tags))
    return MLP(len(tags), spec.hidden, getattr(jax.nn, spec.activation))


def _crf(spec: CRFConfig, sizes: Sizes, task: str, tags: tuple[str, ...]) -> nn.Module:
    constrain = sizes.spans[task] if spec.constrain is None else spec.constrain
    return CRF(tags, "bioes" if constrain else None, _chain)


_BUILDERS = {
    EmbeddingConfig: _embedding,
    CharCNNConfig: _char_cnn,
    HighwayConfig: _highway,
    LSTMConfig: _lstm,
    LinearConfig: _linear,
    CRFConfig: _crf,
}


def init_params(model: Model, key: jax.Array) -> Params:
    """Fresh parameters, ``{component name: subtree}``.

    A component's start depends on the key and its own name alone, so it is the same whatever other
    components a run has.
    """
    params: Params = {}
    for task in model.tasks.values():
        sizes = _input_sizes(task)
        for role, part in task.parts.items():
            if part.name not in params:
                own_key = jax.random.fold_in(key, zlib.crc32(part.name.encode()))
                started = part.module.init(own_key, *sizes.get(role, ()), method="weights")
                params[part.name] = started["params"]
    return params


def put_vectors(params: Params, pretrained: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Params:
    """Puts pre-trained vectors into their tables; the other rows are scaled to the vectors' spread.

    Args:
        params: fresh ones.
        pretrained: by embedding component, rows (k,) int and their vectors (k, d) float32.
    """
    params = dict(params)
    for name, (rows, vectors) in pretrained.items():
        table = np.array(params[name]["table"])
        table *= vectors.std() / table.std()
        table[rows] = vectors
        params[name] = {"table": jnp.asarray(table)}
    return params


def _input_sizes(task: TaskModel) -> dict[str, tuple[int]]:
    """Features of what each role reads; none of those that read words, characters or nothing."""
    letters = task.char_embed.module.features if task.char_embed else 0
    hidden = task.lstm.module.features
    return {
        "char_highway": (letters,),
        "lstm": (task.word_embed.module.dimension + letters,),
        "univ_layer": (hidden,),
        "spec_layer": (hidden,),
        "gate": (hidden,),
    }
