# pyright: reportMissingImports=false
"""The original's file: a torch pickle of tensors, vocabularies and arguments. Nothing in it is executed."""

import os
import re
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

from mlmt_jax.errors import RunError

__all__ = ["MODELS", "Checkpoint", "read_checkpoint"]


class _Place(NamedTuple):
    """Where the original's scripts put a task model."""

    task: str  # its name in their flags
    language: int  # 1: the target's
    kind: int  # of tags, 1: the target's


#: The keys under which the original keeps whole task models.
MODELS = {
    "lstm_crf": _Place("tgt", 1, 1),
    "lstm_crf_tgt": _Place("tgt", 1, 1),
    "lstm_crf_cl": _Place("cl", 2, 1),
    "lstm_crf_ct": _Place("ct", 1, 2),
    "lstm_crf_clct": _Place("clct", 2, 2),
}


class Checkpoint(NamedTuple):
    """What a file holds, as NumPy arrays and plain values."""

    path: str
    models: dict[
        str, dict[str, np.ndarray]
    ]  # by key of MODELS, the target first: float32, by state-dict name
    vocab: dict[str, dict[str, int]]  # "token", "label" and "char", or "token_1", ...: indices by name
    args: dict[str, Any]  # the flags of the training script


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Reads a checkpoint of the original's ``train_single.py`` or one of its multi-task scripts.

    Raises:
        RunError: where PyTorch is missing; for a file that cannot be read, that is damaged, that is no such
            checkpoint, or whose pickle holds anything but tensors and plain values.
    """
    name = os.fspath(path)
    state = _load(name)
    expected = "expected a checkpoint of limteng-rpi/mlmt: a dict with model, vocab and args"
    if not isinstance(state, Mapping):
        raise RunError(f"{name}: is of type {type(state).__name__}; {expected}")
    for key in ("model", "vocab", "args"):
        if not isinstance(state.get(key), Mapping):
            found = ", ".join(repr(key) for key in list(state)[:8])
            raise RunError(f"{name}: has no dict {key!r} (its keys: {found});\n{expected}")
    models = {key: state["model"][key] for key in MODELS if key in state["model"]}
    if not models or MODELS[next(iter(models))].task != "tgt":
        raise RunError(f"{name}: model: has neither 'lstm_crf' nor 'lstm_crf_tgt'; {expected}")
    return Checkpoint(
        name,
        {key: _arrays(f"{name}: model.{key}", tensors) for key, tensors in models.items()},
        {str(key): _indices(f"{name}: vocab.{key}", table) for key, table in state["vocab"].items()},
        {str(key): value for key, value in state["args"].items()},
    )


def _load(path: str) -> Any:
    try:
        import torch
    except ImportError:
        raise RunError(
            'reading a checkpoint of the original needs PyTorch: pip install "mlmt-jax[convert]"'
        ) from None
    try:
        stream = open(path, "rb")  # noqa: SIM115 - closed below; what fails here is not the content
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None
    with stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what torch says about old formats, nothing is to be done
        try:
            return torch.load(stream, map_location="cpu", weights_only=True)
        except Exception as error:  # what a damaged or made-up file leads to is as good as anything
            _refuse(path, error)


def _refuse(path: str, error: Exception) -> NoReturn:
    text = str(error)
    if found := re.search(r"GLOBAL (\S+)", text):
        raise RunError(
            f"{path}: refused, nothing of it was executed: its pickle holds {found[1]};\n"
            "expected tensors, dicts, texts and numbers alone"
        ) from None
    # Of a refused pickle torch tells at length how to read it all the same; the reason stands below.
    below = text.partition("WeightsUnpickler error:")[2] or text.partition("trusted source.")[2] or text
    reason = next((line.strip() for line in below.splitlines() if line.strip()), "it ends too early")
    kind = type(error).__name__
    raise RunError(f"{path}: not a whole PyTorch checkpoint ({kind}: {reason[:150]})") from None


def _arrays(where: str, tensors: Any) -> dict[str, np.ndarray]:
    import torch

    if not isinstance(tensors, Mapping):
        raise RunError(f"{where}: is of type {type(tensors).__name__}; expected a state dict")
    arrays = {}
    for key, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise RunError(f"{where}.{key}: is of type {type(tensor).__name__}; expected a tensor")
        dense = tensor.layout == torch.strided and tensor.device.type == "cpu"
        if not (dense and tensor.is_floating_point()):
            raise RunError(
                f"{where}.{key}: is a tensor of {tensor.dtype}, {tensor.layout}; expected dense floats"
            )
        arrays[str(key)] = tensor.detach().to(torch.float32).numpy()
        if not np.isfinite(arrays[str(key)]).all():
            raise RunError(f"{where}.{key}: holds numbers that are not finite; expected a trained model's")
    return arrays


def _indices(where: str, table: Any) -> dict[str, int]:
    if not isinstance(table, Mapping):
        raise RunError(f"{where}: is of type {type(table).__name__}; expected a dict from names to indices")
    for name, index in table.items():
        whole = isinstance(index, int) and not isinstance(index, bool) and index >= 0
        if not (whole and _is_text(name)):
            raise RunError(f"{where}: holds {name!r}: {index!r}; expected a text and an index >= 0")
    return dict(table)


def _is_text(name: Any) -> bool:
    try:
        return isinstance(name, str) and name.encode() is not None
    except UnicodeEncodeError:  # half a surrogate pair: no file of UTF-8 holds it
        return False
