"""Task models and their initial parameters, from a config and the data's sizes."""

import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from mlmt_jax.config import Config, TaskConfig, components
from mlmt_jax.crf import CRF
from mlmt_jax.model.character_cnn import CharCNN, Highway
from mlmt_jax.model.encoder import LSTM, WordEmbedding
from mlmt_jax.model.initializers import normal, xavier_normal
from mlmt_jax.model.linear import MLP, Linear
from mlmt_jax.model.task_model import SITES, Part, TaskModel
from mlmt_jax.types import Params, Sizes

# The CRF's usual scale; drawn by NumPy like all other parameters.
_chain_scores = normal(0.1)
_CHARACTER_TABLES = {"xavier": xavier_normal, "normal": normal(1.0)}


class Model(NamedTuple):
    """All task models of a run. Those that name the same component share its module and parameters."""

    tasks: dict[str, TaskModel]  # by task model name, in the config's order
    sizes: Sizes


def build_model(config: Config, sizes: Sizes) -> Model:
    """Build the task models of a config; no parameters are drawn.

    Args:
        config: a checked config: every name is defined and every component fits its role.
        sizes: table rows and tag names, from the data.

    Returns:
        The task models by their names, in the config's order.

    Raises:
        KeyError: if ``sizes`` lacks an embedding component or a task of the config.
    """
    return Model({task.name: _build_task(config, sizes, task) for task in config.tasks}, sizes)


def _build_task(config: Config, sizes: Sizes, task: TaskConfig) -> TaskModel:
    """Build one task model: a ``Part`` for each role, a gate beside a specific layer, and dropout rates."""
    parts: dict[str, Any] = {}
    for role, name in task.model.component_names().items():
        component = config.component(name)
        parts[role] = Part(name, _BUILDERS[type(component)](component, sizes, task.task))
    if "spec_layer" in parts:
        parts["gate"] = Part(gate_name(task.name), Linear(len(sizes.tags[task.task])))
    rates = {site: getattr(task.model, site) for site in SITES}
    return TaskModel(name=task.name, **parts, **rates)


def gate_name(task: str) -> str:
    """Return the key of the gate of the task model ``task``, "TASK/gate"; component names have no slash."""
    return f"{task}/gate"


def _linear(spec: components.LinearConfig, sizes: Sizes, task: str) -> nn.Module:
    """Build a layer that scores the tags of a task: ``Linear``, or ``MLP`` if the config has hidden layers.

    Args:
        spec: config of the component.
        sizes: of the data; only the tags are used.
        task: the task, a key of ``sizes.tags`` such as "ner"; not the name of a task model.
    """
    if not spec.hidden:
        return Linear(len(sizes.tags[task]))
    return MLP(len(sizes.tags[task]), spec.hidden, getattr(jax.nn, spec.activation))


def _crf(spec: components.CRFConfig, sizes: Sizes, task: str) -> nn.Module:
    """Build the CRF of a task, which by default forbids ill-formed BIOES if the tags are spans.

    Args:
        spec: config of the component; ``constrain`` True or False overrides the default.
        sizes: of the data; only the tags and ``spans`` are used.
        task: the task, a key of ``sizes.tags`` such as "ner"; not the name of a task model.
    """
    constrain = sizes.spans[task] if spec.constrain is None else spec.constrain
    return CRF(tuple(sizes.tags[task]), "bioes" if constrain else None, _chain_scores)


# From the config of a component, the sizes and the name of the task to a module.
_BUILDERS: dict[type, Callable[[Any, Sizes, str], nn.Module]] = {
    components.EmbeddingConfig: lambda spec, sizes, _: WordEmbedding(sizes.words[spec.name], spec.dimension),
    components.CharCNNConfig: lambda spec, sizes, _: CharCNN(
        sizes.characters, spec.dimension, spec.filters, _CHARACTER_TABLES[spec.start]
    ),
    components.HighwayConfig: lambda spec, *_: Highway(spec.num_layers, getattr(jax.nn, spec.activation)),
    components.LSTMConfig: lambda spec, *_: LSTM(
        spec.hidden_size, spec.bidirectional, spec.forget_bias, spec.num_layers, spec.dropout
    ),
    components.LinearConfig: _linear,
    components.CRFConfig: _crf,
}


def init_params(model: Model, key: jax.Array) -> Params:
    """Draw initial parameters, ``{component name: subtree}``, float32; gates have keys of ``gate_name``.

    A component's parameters depend only on the key and its name, whatever other components a run has. A
    component that several task models share is drawn once. Word tables are random: ``put_vectors`` adds
    vectors.
    """
    params: Params = {}
    for task in model.tasks.values():
        chars = task.char_embed.module.features if task.char_embed else 0
        # The number of input features by role, for the roles that have any.
        heads = dict.fromkeys(("univ_layer", "spec_layer", "gate"), (task.lstm.module.features,))
        sizes = {"char_highway": (chars,), "lstm": (task.word_embed.module.dimension + chars,), **heads}
        for role, part in task.parts.items():
            if part.name not in params:
                component_key = jax.random.fold_in(key, zlib.crc32(part.name.encode()))
                variables = part.module.init(component_key, *sizes.get(role, ()), method="weights")
                params[part.name] = variables["params"]
    return params


def put_vectors(params: Params, pretrained: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Params:
    """Write pre-trained vectors into their tables; scale the other rows to the vectors' standard deviation.

    Args:
        params: initial parameters; they are not changed.
        pretrained: by embedding component, rows (k,) int and their vectors (k, d) float32, k at least 1.

    Returns:
        A new dict, in which other components are the same objects as in ``params``.

    Raises:
        KeyError: if ``params`` lacks a component.
        ValueError: if the vectors have another dimension than the table.
    """
    params = dict(params)
    for name, (rows, vectors) in pretrained.items():
        table = np.array(params[name]["table"])
        table *= vectors.std() / table.std()
        table[rows] = vectors
        params[name] = {"table": jnp.asarray(table)}
    return params
