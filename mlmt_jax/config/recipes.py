"""Recipes: named sets of defaults, which a config chooses with one key."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Choice(NamedTuple):
    """A key for which a recipe has another default than the reference tables."""

    block: tuple[str, ...]  # JSON path of the block without indices, as the keys of `blocks.BLOCKS`
    key: str
    value: Any  # JSON value
    reason: str  # what it sets and what it was measured to be worth


#: The keys that each recipe sets; a config's own keys override them.
RECIPES: dict[str, tuple[Choice, ...]] = {
    "lin2018": (),
    "lowres-1": (
        Choice(
            ("training",), "aux_language_weight", 0.3, "The other language is drawn more often: Danish +2.3."
        ),
        Choice(("training",), "average_steps", 400, "The moving average is evaluated and kept: Danish +4.2."),
        Choice(("training",), "word_ends", True, "Filters see where a word begins and ends: Danish +0.7."),
        Choice(
            ("components", "embedding"),
            "rotate",
            True,
            "Words of both languages share one space: Danish +0.6.",
        ),
        Choice(
            ("components", "char_cnn"),
            "start",
            "normal",
            "Characters weigh as much as words: isiXhosa alone +5.0, Danish -0.6.",
        ),
        Choice(("components", "char_cnn"), "dimension", 50, "As in the authors' example."),
        Choice(
            ("components", "char_cnn"), "filters", [[2, 20], [3, 20], [4, 20]], "As in the authors' example."
        ),
        Choice(("components", "highway"), "num_layers", 2, "As in the authors' example."),
        Choice(("components", "highway"), "activation", "selu", "As in the authors' example."),
        Choice(("components", "lstm"), "hidden_size", 171, "As in the authors' example."),
        Choice(("tasks", "model"), "lstm_dropout", 0.6, "As in the authors' example."),
    ),
}


def with_recipe(data: Any) -> Any:
    """Return the JSON values of a config with the keys of its recipe added where they are missing.

    What is no config, or names no known recipe, is returned as it is: validation refuses it.
    """
    name = data.get("recipe") if isinstance(data, dict) else None
    for choice in RECIPES.get(name, ()) if isinstance(name, str) else ():
        data = _with_default(data, choice.block, choice)
    return data


def _with_default(value: Any, path: tuple[str, ...], choice: Choice) -> Any:
    """Return a JSON value with one more default in all blocks at a path below it."""
    if isinstance(value, list):
        return [_with_default(child, path, choice) for child in value]
    if not isinstance(value, Mapping):
        return value
    if not path:
        return {choice.key: choice.value, **value}
    name, *rest = path
    if name in value:
        return {**value, name: _with_default(value[name], tuple(rest), choice)}
    # A component's kind is the value of its key "model".
    return _with_default(value, tuple(rest), choice) if value.get("model") == name else value
