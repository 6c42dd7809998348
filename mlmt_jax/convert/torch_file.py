# pyright: reportMissingImports=false
"""The checkpoint file of the original code: tensors, vocabularies, arguments; nothing in it is executed."""

import os
import re
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mlmt_jax.errors import RunError

_CHECKPOINT = "a checkpoint of limteng-rpi/mlmt: a dict with model, vocab and args"


class Place(NamedTuple):
    """The place of a task model in the original scripts."""

    task: str  # as in their flags
    language: int  # 1: the target's
    kind: int  # of tags; 1: the target's


#: The places of the task models, by their keys in the checkpoint.
MODELS = {
    "lstm_crf": Place("tgt", 1, 1),
    "lstm_crf_tgt": Place("tgt", 1, 1),
    "lstm_crf_cl": Place("cl", 2, 1),
    "lstm_crf_ct": Place("ct", 1, 2),
    "lstm_crf_clct": Place("clct", 2, 2),
}


class Checkpoint(NamedTuple):
    """The content of a checkpoint file as NumPy arrays and plain values."""

    path: str
    models: dict[str, dict[str, np.ndarray]]  # float32 state dicts by key of MODELS, the target first
    vocab: dict[str, dict[str, int]]  # "token", "label" and "char", or "token_1", ...: index of each name
    args: dict[str, Any]  # flags of the training script


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint of the original ``train_single.py`` or of a multi-task script.

    State dicts with other keys than those of ``MODELS`` are ignored. Names and shapes of tensors are not
    checked here.

    Args:
        path: the ``.mdl`` file.

    Raises:
        RunError: PyTorch is not installed; the file cannot be read, is damaged or is no such checkpoint; its
            pickle has anything but tensors and plain values; a tensor is not dense, float and finite; or a
            vocabulary does not map strings to indices of at least 0.
    """
    name = os.fspath(path)
    state = _load(name)
    _check_dict(name, state, _CHECKPOINT)
    for key in ("model", "vocab", "args"):
        if not isinstance(state.get(key), Mapping):
            keys = ", ".join(repr(key) for key in list(state)[:8])
            raise RunError(f"{name}: no dict {key!r} (got the keys {keys};\nexpected {_CHECKPOINT})")
    models = {key: state["model"][key] for key in MODELS if key in state["model"]}
    if not models or MODELS[next(iter(models))].task != "tgt":
        raise RunError(f"{name}: model: no 'lstm_crf' or 'lstm_crf_tgt' (expected {_CHECKPOINT})")
    return Checkpoint(
        name,
        {key: _arrays(f"{name}: model.{key}", tensors) for key, tensors in models.items()},
        {str(key): _indices(f"{name}: vocab.{key}", table) for key, table in state["vocab"].items()},
        {str(key): value for key, value in state["args"].items()},
    )


def _check_dict(place: str, value: Any, expected: str) -> None:
    """Raise ``RunError`` unless ``value`` is a mapping.

    Args:
        place: file and key, which begin the message.
        value: the value to check; its keys and values are not.
        expected: description of what was expected, for the message.
    """
    if not isinstance(value, Mapping):
        raise RunError(f"{place}: wrong type (got {type(value).__name__}, expected {expected})")


def _load(path: str) -> Any:
    """Return the unpickled content of a file, of any type; PyTorch refuses all but tensors and plain values.

    Tensors are on the CPU.

    Raises:
        RunError: PyTorch is not installed, or the file cannot be read, is damaged or has other content.
    """
    try:
        import torch
    except ImportError:
        raise RunError('PyTorch is needed to read the file: pip install "mlmt-jax[convert]"') from None
    try:
        stream = open(path, "rb")  # noqa: SIM115 - closed below; errors of opening differ from those of content
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None
    with stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the user cannot act on torch's warnings about old formats
        try:
            return torch.load(stream, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged or manipulated file can raise any error
            raise _refusal(path, str(error), type(error).__name__) from None


def _refusal(path: str, text: str, error_type: str) -> RunError:
    """Return the error for a file that PyTorch does not load; it is not raised.

    Args:
        path: the file, for the message.
        text: message of PyTorch's error; if it names a refused global, so does the result.
        error_type: name of the type of PyTorch's error.
    """
    if refused_name := re.search(r"GLOBAL (\S+)", text):
        return RunError(
            f"{path}: refused, and nothing in it was executed (got {refused_name[1]} in its pickle,\n"
            "expected only tensors, dicts, strings and numbers)"
        )
    # torch first explains at length how to load the file nevertheless; the reason follows.
    reason = text.partition("WeightsUnpickler error:")[2] or text.partition("trusted source.")[2] or text
    reason = next((line.strip() for line in reason.splitlines() if line.strip()), "the file ends too early")
    return RunError(f"{path}: not a complete PyTorch checkpoint ({error_type}: {reason[:150]})")


def _arrays(place: str, tensors: Any) -> dict[str, np.ndarray]:
    """Return a state dict as NumPy float32 arrays by key; floats of other precision are converted.

    Args:
        place: file and key, for messages.
        tensors: the state dict, of any type.

    Raises:
        RunError: it is no mapping, or a value is not a dense tensor of finite floats.
    """
    import torch

    _check_dict(place, tensors, "a state dict")
    arrays = {}
    for key, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise RunError(f"{place}.{key}: wrong type (got {type(tensor).__name__}, expected a tensor)")
        is_dense = tensor.layout == torch.strided and tensor.device.type == "cpu"
        if not (is_dense and tensor.is_floating_point()):
            raise RunError(f"{place}.{key}: got {tensor.dtype}, {tensor.layout} (expected dense floats)")
        arrays[str(key)] = tensor.detach().to(torch.float32).numpy()
        if not np.isfinite(arrays[str(key)]).all():
            raise RunError(f"{place}.{key}: values that are not finite (expected those of a trained model)")
    return arrays


def _indices(place: str, table: Any) -> dict[str, int]:
    """Return a copy of a vocabulary, ``{name: index}``; that indices differ is not checked.

    Args:
        place: file and key, for messages.
        table: the vocabulary, of any type.

    Raises:
        RunError: it is no mapping, or does not map strings of valid Unicode to integers of at least 0.
    """
    _check_dict(place, table, "a dict of indices by name")
    for name, index in table.items():
        is_index = isinstance(index, int) and not isinstance(index, bool) and index >= 0
        # UTF-8 files cannot hold lone surrogates.
        if not (is_index and isinstance(name, str)) or re.search("[\ud800-\udfff]", name):
            entry = f"got {name!r}: {index!r}, expected a string and an index >= 0"
            raise RunError(f"{place}: invalid entry ({entry})")
    return dict(table)
