"""Recipes: defaults that a config's own keys override."""

import copy
from typing import Any

import pytest

from mlmt_jax.config import CharCNNConfig, EmbeddingConfig, HighwayConfig, LSTMConfig, parse_config
from mlmt_jax.config.blocks import BLOCKS
from mlmt_jax.config.recipes import RECIPES, with_recipe
from mlmt_jax.errors import ConfigError


@pytest.fixture
def data(four_tasks: dict[str, Any]) -> dict[str, Any]:
    """Return a config of four task models that leaves to the recipe what it can."""
    data = copy.deepcopy(four_tasks)
    for component in data["components"]:
        for choice in RECIPES["lowres-1"]:
            if choice.block == ("components", component["model"]):
                component.pop(choice.key, None)
    for task in data["tasks"]:
        task["model"].pop("lstm_dropout", None)
    return data | {"recipe": "lowres-1"}


def test_a_recipe_fills_in_what_is_missing(data: dict[str, Any]) -> None:
    config = parse_config(data)
    assert (config.training.average_steps, config.training.word_ends) == (400, True)
    assert config.training.aux_language_weight == 0.3
    assert all(task.model.lstm_dropout == 0.6 for task in config.tasks)
    kinds = {type(component): component for component in config.components}
    char_cnn, lstm = kinds[CharCNNConfig], kinds[LSTMConfig]
    assert isinstance(char_cnn, CharCNNConfig)
    assert (char_cnn.start, char_cnn.dimension, char_cnn.filters) == (
        "normal",
        50,
        ((2, 20), (3, 20), (4, 20)),
    )
    assert isinstance(lstm, LSTMConfig)
    assert lstm.hidden_size == 171
    assert all(c.rotate for c in config.components if isinstance(c, EmbeddingConfig))
    highways = [c for c in config.components if isinstance(c, HighwayConfig)]
    assert all((c.num_layers, c.activation) == (2, "selu") for c in highways)


def test_keys_of_the_config_win(data: dict[str, Any]) -> None:
    data["training"] |= {"average_steps": 0, "aux_language_weight": 0.7}
    [embedding, *_] = [c for c in data["components"] if c["model"] == "embedding"]
    embedding["rotate"] = False
    config = parse_config(data)
    assert (config.training.average_steps, config.training.aux_language_weight) == (0, 0.7)
    rotated = [c.rotate for c in config.components if isinstance(c, EmbeddingConfig)]
    assert sorted(rotated) == [False, *[True] * (len(rotated) - 1)]


def test_the_resolved_config_is_complete(data: dict[str, Any]) -> None:
    """A run folder's config does not change if a later version has another recipe of that name."""
    config = parse_config(data)
    resolved = config.resolved()
    assert with_recipe(resolved) == resolved
    assert parse_config(resolved) == config


def test_without_a_recipe_the_defaults_are_those_of_the_paper(four_tasks: dict[str, Any]) -> None:
    plain, named = parse_config(four_tasks), parse_config(four_tasks | {"recipe": "lin2018"})
    assert plain == named
    assert (plain.recipe, plain.training.average_steps, plain.training.word_ends) == ("lin2018", 0, False)
    assert plain.training.aux_language_weight == 0.1


@pytest.mark.parametrize("value", ["lowres", 1, None, ["lowres-1"]])
def test_unknown_recipes_are_refused(data: dict[str, Any], value: Any) -> None:
    with pytest.raises(ConfigError, match="config: recipe: invalid value"):
        parse_config(data | {"recipe": value})


@pytest.mark.parametrize("broken", [{"components": 3}, {"training": []}, {"tasks": [{"model": "x"}, 4]}])
def test_a_malformed_block_is_refused_as_without_a_recipe(
    data: dict[str, Any], broken: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match=f"config: {next(iter(broken))}"):
        parse_config(data | broken)


def test_the_window_of_the_average_is_a_multiple_of_its_interval(data: dict[str, Any]) -> None:
    data["training"]["average_steps"] = 405
    expected = r"training.average_steps: invalid value \(got 405, expected a multiple of 10\)"
    with pytest.raises(ConfigError, match=expected):
        parse_config(data)


def test_recipes_set_keys_of_their_blocks() -> None:
    for choices in RECIPES.values():
        for choice in choices:
            field = BLOCKS[choice.block].model_fields[choice.key]
            assert field.is_required() or field.default != choice.value
