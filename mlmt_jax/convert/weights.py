"""The original's state dict of one task model, as our components' parameters by role."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mlmt_jax.errors import RunError
from mlmt_jax.types import Params

__all__ = ["Rows", "task_params"]

Array = np.ndarray


class Rows(NamedTuple):
    """Which rows of the original's tables are ours, in our order; row 0 is padding there, 1 unknown."""

    words: list[int]  # after the unknown word
    characters: list[int]  # after the unknown character
    tags: list[int]


def task_params(where: str, state: Mapping[str, Array], rows: Rows) -> dict[str, Params]:
    """Lays out a task model's parameters.

    Args:
        where: what messages name as the place.
        state: the state dict of an ``LstmCrf``.
        rows: what of its tables and tag scores is kept.

    Returns:
        The subtrees by role, "gate" among them where there is a specific layer.

    Raises:
        RunError: for a tensor that is missing, is of another shape, or has no counterpart here.
    """
    left = _State(where, dict(state))
    words = left.table("word_embedding.weight", rows.words)
    letters, features = _char_cnn(left, rows.characters)
    parts = {"word_embed": {"table": words}, "char_embed": letters}
    if highway := _highway(left, features):
        parts["char_highway"] = highway
    parts["lstm"] = _lstm(left, words.shape[1] + features)
    ways, size, _ = parts["lstm"]["recurrent_0"].shape
    states = ways * size
    outputs = len(left.array("crf.transition", None, None)) - 2  # two of its states are start and end
    left.check_indices("crf.transition", rows.tags, outputs)
    parts["univ_layer"] = _head(left, "univ_fc_layer", states, outputs, rows.tags)
    if left.has("spec_fc_layer."):
        parts["spec_layer"] = _head(left, "spec_fc_layer", states, outputs, rows.tags)
        parts["gate"] = _linear(left, "spec_gate", states, outputs, rows.tags)
    parts["crf"] = _crf(left, outputs, rows.tags)
    left.check_empty()
    return parts


class _State:
    """A state dict from which tensors are taken, checked, until none is left."""

    def __init__(self, where: str, arrays: dict[str, Array]):
        self.where, self._arrays = where, arrays
        self._taken: set[str] = set()

    def has(self, prefix: str) -> bool:
        return any(key.startswith(prefix) for key in self._arrays)

    def array(self, key: str, *shape: int | None) -> Array:
        """A tensor of a shape, in which None stands for any size from 1."""
        if key not in self._arrays:
            raise RunError(f"{self.where}: {key} is missing; expected it in an LSTM-CRF of the original")
        array = self._arrays[key]
        fits = len(array.shape) == len(shape) and all(
            found == size if size is not None else found > 0
            for found, size in zip(array.shape, shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise RunError(f"{self.where}: {key} has shape {tuple(array.shape)}; expected ({wanted})")
        self._taken.add(key)
        return array

    def table(self, key: str, rows: list[int]) -> Array:
        """The unknown row of a table and those asked for."""
        array = self.array(key, None, None)
        self.check_indices(key, rows, len(array))
        return array[[1, *rows]]

    def check_indices(self, key: str, indices: list[int], size: int) -> None:
        if max(indices) >= size:
            raise RunError(
                f"{self.where}: {key} ends at row {size - 1}; the vocabulary expects {max(indices)}"
            )

    def check_empty(self) -> None:
        extra = sorted(self._arrays.keys() - self._taken)
        if extra:
            more = f" and {len(extra) - 1} more" if len(extra) > 1 else ""
            raise RunError(
                f"{self.where}: {extra[0]}{more} cannot be brought over: this model has no such part"
            )


def _char_cnn(left: _State, characters: list[int]) -> tuple[Params, int]:
    """The parameters, and the features a word."""
    table = left.table("char_embedding.embedding.weight", characters)
    found: Params = {"table": table}
    features = i = 0
    while i == 0 or left.has(f"char_embedding.convs.{i}."):
        # (filters, 1, width, d): the original reads a word as an image of one channel.
        weight = left.array(f"char_embedding.convs.{i}.weight", None, 1, None, table.shape[1])
        found[f"kernel_{i}"] = weight[:, 0].transpose(1, 2, 0)
        found[f"bias_{i}"] = left.array(f"char_embedding.convs.{i}.bias", len(weight))
        features += len(weight)
        i += 1
    return found, features


def _highway(left: _State, size: int) -> Params:
    # Its two published versions spell the name differently.
    transform = "non_linear" if left.has("char_highway.non_linear.") else "nonlinear"
    found: Params = {}
    i = 0
    while left.has(f"char_highway.gate.{i}."):
        found[f"gate_{i}"] = _linear(left, f"char_highway.gate.{i}", size, size)
        found[f"transform_{i}"] = _linear(left, f"char_highway.{transform}.{i}", size, size)
        i += 1
    return found


def _lstm(left: _State, features: int) -> Params:
    # Both have their gates in the order i, f, g, o; of its two biases a gate, which are added, ours has one.
    ways = ("", "_reverse") if left.has("lstm.weight_ih_l0_reverse") else ("",)
    found: Params = {}
    size = i = 0
    while i == 0 or left.has(f"lstm.weight_ih_l{i}"):
        size = left.array(f"lstm.weight_hh_l{i}", None, size or None).shape[1]
        layer = [
            (
                left.array(f"lstm.weight_ih_l{i}{way}", 4 * size, features).T,
                left.array(f"lstm.weight_hh_l{i}{way}", 4 * size, size).T,
                left.array(f"lstm.bias_ih_l{i}{way}", 4 * size)
                + left.array(f"lstm.bias_hh_l{i}{way}", 4 * size),
            )
            for way in ways
        ]
        for name, arrays in zip(("kernel", "recurrent", "bias"), zip(*layer, strict=True), strict=True):
            found[f"{name}_{i}"] = np.stack(arrays)
        features = size * len(ways)
        i += 1
    return found


def _linear(left: _State, name: str, inputs: int, outputs: int, kept: list[int] | None = None) -> Params:
    kernel = left.array(f"{name}.weight", outputs, inputs).T
    bias = left.array(f"{name}.bias", outputs)
    return (
        {"kernel": kernel, "bias": bias} if kept is None else {"kernel": kernel[:, kept], "bias": bias[kept]}
    )


def _head(left: _State, name: str, inputs: int, outputs: int, kept: list[int]) -> Params:
    if not left.has(f"{name}.linears."):
        return _linear(left, name, inputs, outputs, kept)
    found: Params = {}
    i = 0
    while left.has(f"{name}.linears.{i}."):
        size = len(left.array(f"{name}.linears.{i}.weight", None, inputs))
        found[f"hidden_{i}"] = _linear(left, f"{name}.linears.{i}", inputs, size)
        inputs = size
        i += 1
    return found | {"output": _linear(left, f"{name}.output_linear", inputs, outputs, kept)}


def _crf(left: _State, outputs: int, kept: list[int]) -> Params:
    # There, transition[to, from], and of the states the last two are start and end.
    transition = left.array("crf.transition", outputs + 2, outputs + 2)
    start, end = outputs, outputs + 1
    return {
        "transitions": transition[np.ix_(kept, kept)].T,
        "start": transition[kept, start],
        "end": transition[end, kept],
    }
