# pyright: reportMissingImports=false
"""From our parameters to the PyTorch peer's and back: which weight is which, in which layout."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import torch
import torchcrf
from torch import Tensor, nn

from mlmt_jax import crf
from mlmt_jax.config import Config
from mlmt_jax.model import Model, TaskModel, encoder
from mlmt_jax.model import character_cnn as chars
from mlmt_jax.model import linear as components
from mlmt_jax.types import Params
from peers.tagger import MLP, CharCNN, Encoder, Highway, TaskTagger, Trainer

__all__ = ["build_trainers", "gradients_of", "params_of"]

# What pytorch-crf gets where our chain has -inf, with which it gives NaN. In float32 its exponential is 0,
# so such a path has no part in log Z nor any gradient.
_FORBIDDEN = -1e4

_ACTIVATIONS = {
    jax.nn.relu: nn.functional.relu,
    jax.nn.selu: nn.functional.selu,
    jax.nn.tanh: torch.tanh,
    jax.nn.sigmoid: torch.sigmoid,
}


def build_trainers(config: Config, model: Model, params: Params) -> dict[str, Trainer]:
    """The peer of every task model, by name, with the weights of ``params``; tasks share modules by name."""
    made: dict[str, nn.Module] = {}
    trainers = {}
    for name, task in model.tasks.items():
        for part in task.parts.values():
            if part.name not in made:
                subtree = jax.tree.map(np.asarray, params[part.name])
                if isinstance(part.module, crf.CRF):
                    subtree = {k: np.maximum(x, _FORBIDDEN) for k, x in part(params)._asdict().items()}
                made[part.name] = _build(part.module, subtree)
                _load(_leaves(made[part.name], lambda parameter: parameter.data), subtree)
        roles: dict[str, Any] = {role: made[part.name] for role, part in task.parts.items()}
        for role in ("char_embed", "char_highway", "spec_layer", "gate"):
            roles.setdefault(role, None)
        spec = config.task(name)
        table: Any = config.component(spec.model.word_embed)
        roles["word_embed"].weight.requires_grad_(table.trainable)
        dropouts = task.embed_dropout, task.lstm_dropout, task.linear_dropout
        trainers[name] = Trainer(TaskTagger(**roles, dropouts=dropouts), spec)
    return trainers


def params_of(task: TaskModel, trainer: Trainer) -> Params:
    """The peer's weights as our parameters; what the scheme forbids is around -1e4."""
    return _read(task, trainer, lambda parameter: parameter.data)


def gradients_of(task: TaskModel, trainer: Trainer) -> Params:
    """The gradients that the peer holds after ``backward``, laid out as our parameters."""
    return _read(task, trainer, lambda parameter: parameter.grad)


def _read(task: TaskModel, trainer: Trainer, get: Callable[[Any], Any]) -> Params:
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
    """The module of the same sizes as one of ours."""
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
    raise TypeError(f"no peer of {type(module).__name__}")


def _leaves(module: Any, get: Callable[[Any], Any]) -> Params:
    """Views of a module's tensors by our names and in our layouts; a list stands for a leading axis."""
    match module:
        case nn.Embedding():
            return {"table": get(module.weight)}
        case CharCNN():
            found = {"table": get(module.table.weight)[1:]}  # ours has no row for "no character"
            for i, convolution in enumerate(module.convolutions):
                found[f"kernel_{i}"] = get(convolution.weight).permute(2, 1, 0)
                found[f"bias_{i}"] = get(convolution.bias)
            return found
        case Highway():
            gates = {f"gate_{i}": _leaves(layer, get) for i, layer in enumerate(module.gates)}
            transforms = {f"transform_{i}": _leaves(layer, get) for i, layer in enumerate(module.transforms)}
            return gates | transforms
        case Encoder():
            # Both have their gates in the order i, f, g, o.
            lstm, found = module.lstm, {}
            ways = ("", "_reverse") if lstm.bidirectional else ("",)
            for i in range(lstm.num_layers):
                weight = lambda kind, i=i: [get(getattr(lstm, f"{kind}_l{i}{way}")) for way in ways]
                found[f"kernel_{i}"] = [x.T for x in weight("weight_ih")]
                found[f"recurrent_{i}"] = [x.T for x in weight("weight_hh")]
                found[f"bias_{i}"] = weight("bias_ih")
            return found
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
    raise TypeError(f"no parameters of {type(module).__name__}")


def _load(views: Any, subtree: Any) -> None:
    """Copies a subtree of ours into a module's views."""
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
