"""The strict base models of the config's blocks, and the types of their fields."""

import os
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict
from pydantic_core import PydanticCustomError


class Block(BaseModel):
    """A frozen object of the config that refuses unknown keys and loosely typed values ("3", or true for 1).

    The docstring under a field is its description in the JSON Schema and in the reference table.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def _check_sample(value: object) -> object:
    """Return `value` if it is valid for `sample`; refuse it otherwise.

    Without this check, pydantic reports one error for each member of the union.
    """
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if value == "all" or is_count or (isinstance(value, float) and 0 < value <= 1):
        return value
    raise PydanticCustomError("sample", '"all", an integer >= 0 or a fraction in (0, 1]')


def _check_encoding(name: str) -> str:
    """Return the name of a text encoding; refuse names that Python does not know."""
    try:
        # Not the empty string: Python skips the codec for an empty one.
        "x".encode(name)
    except (LookupError, ValueError):
        expected = "the name of a text encoding that Python knows, such as utf-8 or latin-1"
        raise PydanticCustomError("encoding", expected) from None
    return name


def _check_path(value: object) -> object:
    """Return a path; refuse the empty path and paths that the file system or a JSON file cannot hold.

    Values that are no strings are returned for the field's own type check.
    """
    if isinstance(value, str):
        try:
            value.encode()  # refuses surrogate escapes, which the UTF-8 files of a run folder cannot hold
            encoded = os.fsencode(value)
        except UnicodeEncodeError:
            encoded = b"\0"
        if not encoded:
            raise PydanticCustomError("path", "a path that is not empty")
        if b"\0" in encoded:
            raise PydanticCustomError("path", "a path of valid Unicode that the file system can have")
    return value


# Strict mode accepts only tuples as tuples and only paths as paths, but JSON has lists and strings.
# The items of a list stay strict.
LAX = Strict(False)

# A line separator breaks the lines of tables and messages as a control character does.
NAME_PATTERN = r"^[^/\x00-\x1f\x7f-\x9f\u2028\u2029]+$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
FileName = Annotated[str, Field(min_length=1), BeforeValidator(_check_path)]
Folder = Annotated[Path, LAX, BeforeValidator(_check_path)]
Encoding = Annotated[str, AfterValidator(_check_encoding)]
# JAX counts steps in int32.
Count = Annotated[int, Field(ge=1, lt=2**31)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, lt=1)]
# A larger size is a typing error: no machine has the memory for it.
Size = Annotated[int, Field(ge=1, le=1_000_000)]
Layers = Annotated[int, Field(ge=1, le=100)]
Sizes = Annotated[tuple[Size, ...], LAX]
Filters = Annotated[tuple[Annotated[tuple[Size, Size], LAX], ...], LAX, Field(min_length=1)]
Sample = Annotated[
    Literal["all"] | Annotated[int, Field(ge=0)] | Annotated[float, Field(gt=0, le=1)],
    BeforeValidator(_check_sample),
]


class NamedBlock(Block):
    """A block that task models refer to by its name."""

    name: Name
    """Unique name by which task models refer to this block."""


# Names of the element-wise functions of jax.nn; listed here so that the config does not import jax.
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
