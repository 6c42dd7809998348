"""The parameters of one task model, from its state dict in the original code."""

import itertools

import numpy as np

from mlmt_jax.errors import RunError
from mlmt_jax.types import Params

Shape = tuple[int, int]  # (inputs, outputs)


def task_params(
    place: str, tensors: dict[str, np.ndarray], words: list[int], characters: list[int], tags: list[int]
) -> dict[str, Params]:
    """Convert the parameters of a task model.

    The rows of the original's tables to keep are in order. There, row 0 is padding and row 1 is unknown.

    Args:
        place: file and key, for messages.
        tensors: state dict of an ``LstmCrf``, float32.
        words: rows of the words, without the unknown word; not empty.
        characters: rows of the characters, without the unknown character; not empty.
        tags: rows of the tags; not empty.

    Returns:
        Parameters by role, then by name: "word_embed", "char_embed", "lstm", "univ_layer", "crf", and where
        the model has them "char_highway", "spec_layer" and "gate". Arrays are NumPy float32. Row 0 of both
        tables is the unknown word or character; the others are those of ``rows``, in order, and so are tags.

    Raises:
        RunError: a tensor is missing, has another shape or too few rows, or has no counterpart here.
    """
    state = _State(place, tensors)
    table = state.table("word_embedding.weight", words)
    params = {"word_embed": {"table": table}, "char_embed": _char_cnn(state, characters)}
    # Each filter has one bias and gives one feature.
    features = sum(len(array) for name, array in params["char_embed"].items() if name.startswith("bias_"))
    if highway := _highway(state, features):
        params["char_highway"] = highway
    params["lstm"] = _lstm(state, table.shape[1] + features)
    directions, size, _ = params["lstm"]["recurrent_0"].shape
    # The last two states of the original's CRF are start and end.
    tag_count = len(state.array("crf.transition", None, None)) - 2
    state.check_indices("crf.transition", tags, tag_count)
    shape = (directions * size, tag_count)
    params["univ_layer"] = _head(state, "univ_fc_layer", shape, tags)
    if state.has("spec_fc_layer."):
        params["spec_layer"] = _head(state, "spec_fc_layer", shape, tags)
        params["gate"] = _linear(state, "spec_gate", shape, tags)
    params["crf"] = _crf(state, tag_count, tags)
    state.check_all_read()
    return params


class _State:
    """A state dict that checks the tensors that are read and remembers which ones are."""

    def __init__(self, place: str, arrays: dict[str, np.ndarray]):
        """Wrap the state dict ``arrays``; ``place`` (file and key) begins all messages."""
        self._place, self._arrays = place, arrays
        self._read: set[str] = set()

    def has(self, prefix: str) -> bool:
        """Return True if the name of a tensor begins with ``prefix``."""
        return any(key.startswith(prefix) for key in self._arrays)

    def layer_count(self, prefix: str, suffix: str = ".") -> int:
        """Return the number of layers i = 0, 1, ... with tensors named ``{prefix}{i}{suffix}...``.

        It stops at the first i without one, so it is 0 if there is no layer 0.
        """
        return next(i for i in itertools.count() if not self.has(f"{prefix}{i}{suffix}"))

    def array(self, key: str, *shape: int | None) -> np.ndarray:
        """Return a tensor and mark it as read.

        Args:
            key: name of the tensor.
            shape: size of each axis; None stands for any size from 1.

        Raises:
            RunError: the tensor is missing, or has another number of axes or another size.
        """
        if key not in self._arrays:
            raise RunError(f"{self._place}: {key} is missing (expected an LSTM-CRF of the original)")
        array = self._arrays[key]
        sizes = zip(array.shape, shape, strict=False)
        fits = all(size == expected if expected is not None else size > 0 for size, expected in sizes)
        if array.ndim != len(shape) or not fits:
            expected = ", ".join("any" if size is None else str(size) for size in shape)
            raise RunError(f"{self._place}: {key} has shape {array.shape} (expected ({expected}))")
        self._read.add(key)
        return array

    def table(self, key: str, rows: list[int]) -> np.ndarray:
        """Return the unknown row (1) of a table, then the given rows: (1 + rows, d).

        Args:
            key: name of a tensor of two axes.
            rows: indices of rows, not empty.

        Raises:
            RunError: the table is missing, has another number of axes or too few rows.
        """
        array = self.array(key, None, None)
        self.check_indices(key, rows, len(array))
        return array[[1, *rows]]

    def check_indices(self, key: str, indices: list[int], size: int) -> None:
        """Raise ``RunError`` if the largest index is not less than ``size``.

        ``key`` names the tensor in the message. ``indices`` must not be empty; negative ones are not checked.
        """
        if max(indices) >= size:
            message = f"got {size} rows, expected more than {max(indices)} for the vocabulary"
            raise RunError(f"{self._place}: {key} is too short ({message})")

    def check_all_read(self) -> None:
        """Raise ``RunError`` if a tensor has not been read."""
        extra = sorted(self._arrays.keys() - self._read)
        if extra:
            parts = extra[0] + (f" and {len(extra) - 1} more" if len(extra) > 1 else "")
            raise RunError(f"{self._place}: {parts} cannot be converted: this model has no such part")


def _char_cnn(state: _State, characters: list[int]) -> Params:
    """Convert the character CNN.

    Args:
        state: the state dict.
        characters: rows of the original's table to keep after the unknown one.

    Returns:
        "table" (1 + characters, d), and for each filter width i "kernel_i" (width, d, filters) and "bias_i"
        (filters,).

    Raises:
        RunError: a tensor is missing or has another shape.
    """
    table = state.table("char_embedding.embedding.weight", characters)
    params: Params = {"table": table}
    for i in range(max(1, state.layer_count("char_embedding.convs."))):
        # (filters, 1, width, d): in the original, a word is an image of one channel.
        weight = state.array(f"char_embedding.convs.{i}.weight", None, 1, None, table.shape[1])
        params[f"kernel_{i}"] = weight[:, 0].transpose(1, 2, 0)
        params[f"bias_{i}"] = state.array(f"char_embedding.convs.{i}.bias", len(weight))
    return params


def _highway(state: _State, features: int) -> Params:
    """Convert the highway layers; return {} if there are none.

    Returns:
        "gate_i" and "transform_i" of each layer i, each a dict of "kernel" (features, features) and "bias".

    Raises:
        RunError: a tensor of a layer is missing or has another shape.
    """
    # The two published versions spell the name differently.
    transform = "non_linear" if state.has("char_highway.non_linear.") else "nonlinear"
    params: Params = {}
    for i in range(state.layer_count("char_highway.gate.")):
        params[f"gate_{i}"] = _linear(state, f"char_highway.gate.{i}", (features, features))
        params[f"transform_{i}"] = _linear(state, f"char_highway.{transform}.{i}", (features, features))
    return params


def _lstm(state: _State, features: int) -> Params:
    """Convert the LSTM, whose first layer has ``features`` inputs.

    Returns:
        For each layer i "kernel_i" (directions, inputs, 4 * size), "recurrent_i" (directions, size, 4 * size)
        and "bias_i" (directions, 4 * size), with the gates in the order i, f, g, o; direction 0 is forward.

    Raises:
        RunError: a tensor is missing or has another shape; all layers must have one size.
    """
    directions = ("", "_reverse") if state.has("lstm.weight_ih_l0_reverse") else ("",)

    def stacked(name: str, *shape: int) -> np.ndarray:
        return np.stack([state.array(f"lstm.{name}{direction}", *shape) for direction in directions])

    params: Params = {}
    size = None
    for i in range(max(1, state.layer_count("lstm.weight_ih_l", ""))):
        size = state.array(f"lstm.weight_hh_l{i}", None, size).shape[1]
        params[f"kernel_{i}"] = stacked(f"weight_ih_l{i}", 4 * size, features).swapaxes(1, 2)
        params[f"recurrent_{i}"] = stacked(f"weight_hh_l{i}", 4 * size, size).swapaxes(1, 2)
        # The original adds two biases for each gate.
        params[f"bias_{i}"] = stacked(f"bias_ih_l{i}", 4 * size) + stacked(f"bias_hh_l{i}", 4 * size)
        features = size * len(directions)
    return params


def _linear(state: _State, name: str, shape: Shape, kept: list[int] | slice = slice(None)) -> Params:
    """Convert a linear layer to "kernel" (inputs, kept) and "bias" (kept,).

    Args:
        state: the state dict.
        name: name of the layer, without ".weight".
        shape: (inputs, outputs) in the original.
        kept: the outputs to keep, in order; all by default.

    Raises:
        RunError: weight or bias is missing or has another shape.
    """
    inputs, outputs = shape
    kernel = state.array(f"{name}.weight", outputs, inputs).T
    return {"kernel": kernel[:, kept], "bias": state.array(f"{name}.bias", outputs)[kept]}


def _head(state: _State, name: str, shape: Shape, kept: list[int]) -> Params:
    """Convert a layer of tag scores: a linear layer, or hidden layers and an output layer.

    Args:
        state: the state dict.
        name: name of the layer.
        shape: (inputs, all tags of the original).
        kept: the tags to keep, in order.

    Returns:
        "kernel" and "bias"; or with hidden layers "hidden_0", ..., "output", each a dict of "kernel" and
        "bias".

    Raises:
        RunError: a tensor is missing or has another shape.
    """
    layers = state.layer_count(f"{name}.linears.")
    if not layers:
        return _linear(state, name, shape, kept)
    params: Params = {}
    inputs, outputs = shape
    for i in range(layers):
        size = len(state.array(f"{name}.linears.{i}.weight", None, inputs))
        params[f"hidden_{i}"] = _linear(state, f"{name}.linears.{i}", (inputs, size))
        inputs = size
    return params | {"output": _linear(state, f"{name}.output_linear", (inputs, outputs), kept)}


def _crf(state: _State, tag_count: int, kept: list[int]) -> Params:
    """Convert the CRF to "transitions" [from, to], "start" and "end" scores of the tags to keep.

    Args:
        state: the state dict.
        tag_count: tags of the original, without its states start and end.
        kept: the tags to keep, in order.

    Raises:
        RunError: the transitions are missing, or not (tag_count + 2, tag_count + 2).
    """
    # In the original, transition[to, from].
    transition = state.array("crf.transition", tag_count + 2, tag_count + 2)
    between = transition[np.ix_(kept, kept)].T
    start, end = transition[kept, tag_count], transition[tag_count + 1, kept]
    return {"transitions": between, "start": start, "end": end}
