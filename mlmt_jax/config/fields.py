"""What every block of the config is made of: the strict base model and the field types."""

import os
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict
from pydantic_core import PydanticCustomError

__all__ = [
    "ACTIVATIONS",
    "NAME_PATTERN",
    "Activation",
    "Block",
    "Count",
    "Encoding",
    "FileName",
    "Filters",
    "Folder",
    "FromJson",
    "Layers",
    "Name",
    "Positive",
    "Probability",
    "Sample",
    "Seed",
    "Size",
    "Sizes",
    "Weight",
]


class Block(BaseModel):
    """A frozen object of the config. Unknown keys and loosely typed values ("3", true for 1) are refused.

    The docstring under a field is its comment, its text in the JSON Schema and in the reference table.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def _checked_sample(value: object) -> object:
    # One message for the union below; on its own pydantic reports one error for each of its members.
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if value == "all" or whole or (isinstance(value, float) and 0 < value <= 1):
        return value
    raise PydanticCustomError("sample", '"all", an integer >= 0 or a fraction in (0, 1]')


def _known_encoding(value: object) -> object:
    if isinstance(value, str):
        try:
            # Not the empty string: Python leaves the codec out for that one.
            "x".encode(value)
        except (LookupError, ValueError):
            raise PydanticCustomError(
                "encoding", "the name of a text encoding that Python knows, such as utf-8 or latin-1"
            ) from None
    return value


def _usable_path(value: object) -> object:
    if isinstance(value, str):
        try:
            value.encode()  # not with bytes that are no text: a run folder's files are UTF-8
            encoded = os.fsencode(value)
        except UnicodeEncodeError:
            encoded = b"\0"
        if not encoded:
            raise PydanticCustomError("path", "a path that is not empty")
        if b"\0" in encoded:
            raise PydanticCustomError("path", "a path of valid Unicode that the file system can have")
    return value


# Strict mode takes tuples from tuples only and paths from paths only, JSON has lists and strings. What
# a list holds stays strict.
FromJson = Strict(False)

# A line separator would break the lines of tables and messages as a control character does.
NAME_PATTERN = r"^[^/\x00-\x1f\x7f-\x9f\u2028\u2029]+$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
FileName = Annotated[str, Field(min_length=1), BeforeValidator(_usable_path)]
Folder = Annotated[Path, FromJson, BeforeValidator(_usable_path)]
Encoding = Annotated[str, BeforeValidator(_known_encoding)]
# JAX counts with 32 bits.
Count = Annotated[int, Field(ge=1, lt=2**31)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, lt=1)]
# More is a slip of the finger, and no machine has the memory for it.
Size = Annotated[int, Field(ge=1, le=1_000_000)]
Layers = Annotated[int, Field(ge=1, le=100)]
Sizes = Annotated[tuple[Size, ...], FromJson]
Filters = Annotated[tuple[Annotated[tuple[Size, Size], FromJson], ...], FromJson, Field(min_length=1)]
Sample = Annotated[
    Literal["all"] | Annotated[int, Field(ge=0)] | Annotated[float, Field(gt=0, le=1)],
    BeforeValidator(_checked_sample),
]

# The element-wise functions of jax.nn, by name: the config stays free of jax.
Activation = Literal[
    "celu",
    "elu",
    "gelu",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "identity",
    "leaky_relu",
    "log_sigmoid",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_sign",
    "softplus",
    "sparse_plus",
    "sparse_sigmoid",
    "squareplus",
    "swish",
    "tanh",
]
ACTIVATIONS: tuple[str, ...] = get_args(Activation)
