# pyright: reportMissingImports=false
"""Conversion of parameters between mlmt_jax and the PyTorch peer: names and layouts."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import torch
import torchcrf
from torch import Tensor, nn

from mlmt_jax import crf
from mlmt_jax.config import Config
from mlmt_jax.model import character_cnn as chars
from mlmt_jax.model import encoder
from mlmt_jax.model import linear as components
from mlmt_jax.model.build import Model
from mlmt_jax.model.task_model import TaskModel
from mlmt_jax.types import Params
from peers.tagger import MLP, CharCNN, Encoder, Highway, Modules, TaskTagger, Trainer

# Replaces -inf in the chain, with which pytorch-crf returns NaN. Its exponential is 0 in float32, so a
# forbidden path adds nothing to log Z and has no gradient.
_FORBIDDEN = -1e4

_ACTIVATIONS = {
    jax.nn.relu: nn.functional.relu,
    jax.nn.selu: nn.functional.selu,
    jax.nn.tanh: torch.tanh,
    jax.nn.sigmoid: torch.sigmoid,
}


def build_trainers(config: Config, model: Model, params: Params) -> dict[str, Trainer]:
    """Build the peer of every task model; task models share modules as they share components.

    Args:
        config: config of the run.
        model: the model that the peers copy.
        params: its parameters.

    Returns:
        Trainers by name of the task model.
    """
    modules: dict[str, nn.Module] = {}
    trainers = {}
    for name, task in model.tasks.items():
        for part in task.parts.values():
            if part.name not in modules:
                subtree = jax.tree.map(np.asarray, params[part.name])
                if isinstance(part.module, crf.CRF):
                    subtree = {k: np.maximum(x, _FORBIDDEN) for k, x in part(params)._asdict().items()}
                modules[part.name] = _build(part.module, subtree)
                _load(_leaves(modules[part.name], lambda parameter: parameter.data), subtree)
        roles: dict[str, Any] = {role: modules[part.name] for role, part in task.parts.items()}
        spec = config.task(name)
        table: Any = config.component(spec.model.word_embed)
        roles["word_embed"].weight.requires_grad_(table.trainable)
        dropouts = task.embed_dropout, task.lstm_dropout, task.linear_dropout
        trainers[name] = Trainer(TaskTagger(Modules(**roles), dropouts), spec)
    return trainers


def params_of(task: TaskModel, trainer: Trainer) -> Params:
    """Return the peer's weights in the layout of our parameters; forbidden scores are about -1e4."""
    return _read(task, trainer, lambda parameter: parameter.data)


def gradients_of(task: TaskModel, trainer: Trainer) -> Params:
    """Return the peer's gradients after ``backward`` in the layout of our parameters."""
    return _read(task, trainer, lambda parameter: parameter.grad)


def _read(task: TaskModel, trainer: Trainer, get: Callable[[Any], Any]) -> Params:
    """Copy ``get`` of every tensor to NumPy, in the layout of our parameters."""

    def array(leaf: Tensor | list[Tensor]) -> np.ndarray:
        whole = torch.stack(leaf) if isinstance(leaf, list) else leaf
        return whole.detach().cpu().numpy().copy()

    return {
        part.name: jax.tree.map(
            array, _leaves(getattr(trainer.module, role), get), is_leaf=lambda x: isinstance(x, list | Tensor)
        )
        for role, part in task.parts.items()
    }


def _build(module: Any, subtree: Params) -> nn.Module:
    """Build the PyTorch module that matches a Flax module; ``subtree`` are its parameters.

    Raises:
        TypeError: if the module has no counterpart.
    """
    match module:
        case encoder.WordEmbedding():
            return nn.Embedding(module.rows, module.dimension)
        case chars.CharCNN():
            return CharCNN(module.characters, module.dimension, module.filters)
        case chars.Highway():
            features = len(subtree["gate_0"]["bias"])
            return Highway(features, module.num_layers, _ACTIVATIONS[module.activation])
        case encoder.LSTM():
            features = subtree["kernel_0"].shape[1]
            return Encoder(
                features, module.hidden_size, module.num_layers, module.bidirectional, module.dropout
            )
        case components.Linear():
            return nn.Linear(*subtree["kernel"].shape)
        case components.MLP():
            first = subtree["hidden_0" if module.hidden else "output"]["kernel"]
            sizes = (len(first), *module.hidden, module.features)
            return MLP(sizes, _ACTIVATIONS[module.activation])
        case crf.CRF():
            return torchcrf.CRF(len(module.tag_names), batch_first=True)
    raise TypeError(f"{type(module).__name__} has no counterpart in PyTorch")


def _leaves(module: Any, get: Callable[[Any], Any]) -> Params:
    """Return views of a module's tensors by our names and in our layouts; a list is a leading axis.

    Args:
        module: a module of the peer.
        get: takes a parameter and returns its data or its gradient.

    Raises:
        TypeError: if the module is unknown.
    """
    match module:
        case nn.Embedding():
            return {"table": get(module.weight)}
        case CharCNN():
            views = {"table": get(module.table.weight)[1:]}  # our table has no row for "no character"
            for i, convolution in enumerate(module.convolutions):
                views[f"kernel_{i}"] = get(convolution.weight).permute(2, 1, 0)
                views[f"bias_{i}"] = get(convolution.bias)
            return views
        case Highway():
            gates = {f"gate_{i}": _leaves(layer, get) for i, layer in enumerate(module.gates)}
            transforms = {f"transform_{i}": _leaves(layer, get) for i, layer in enumerate(module.transforms)}
            return gates | transforms
        case Encoder():
            # Both have the gates in the order i, f, g, o.
            lstm, views = module.lstm, {}
            directions = ("", "_reverse") if lstm.bidirectional else ("",)
            for i in range(lstm.num_layers):
                weight = lambda kind, i=i: [
                    get(getattr(lstm, f"{kind}_l{i}{direction}")) for direction in directions
                ]
                views[f"kernel_{i}"] = [x.T for x in weight("weight_ih")]
                views[f"recurrent_{i}"] = [x.T for x in weight("weight_hh")]
                views[f"bias_{i}"] = weight("bias_ih")
            return views
        case nn.Linear():
            return {"kernel": get(module.weight).T, "bias": get(module.bias)}
        case MLP():
            hidden = {f"hidden_{i}": _leaves(layer, get) for i, layer in enumerate(module.hidden)}
            return hidden | {"output": _leaves(module.output, get)}
        case torchcrf.CRF():
            return {
                "transitions": get(module.transitions),
                "start": get(module.start_transitions),
                "end": get(module.end_transitions),
            }
    raise TypeError(f"{type(module).__name__}: unknown module")


def _load(views: Any, subtree: Any) -> None:
    """Copy parameters into the views of a module."""
    if isinstance(views, Tensor):
        array = torch.tensor(np.asarray(subtree))
        assert views.shape == array.shape, (views.shape, array.shape)
        views.copy_(array)
    elif isinstance(views, list):
        for view, part in zip(views, subtree, strict=True):
            _load(view, part)
    else:
        assert views.keys() == subtree.keys(), (views.keys(), subtree.keys())
        for name, view in views.items():
            _load(view, subtree[name])
