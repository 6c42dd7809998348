"""A complete, small config, and the message that refuses it after an edit."""

from typing import Any

import pytest
from config_edits import Refusal, edited
from task_grid import task_grid

from mlmt_jax.config import parse_config
from mlmt_jax.errors import ConfigError


@pytest.fixture
def four_tasks() -> dict[str, Any]:
    """Two languages, two tasks, every kind of component; every role is filled."""
    data = task_grid(
        [("xho", "ner"), ("zul", "ner"), ("xho", "pos"), ("zul", "pos")],
        {
            "xho_words": {"model": "embedding", "language": "xho", "dimension": 50, "file": "xho.vec"},
            "zul_words": {"model": "embedding", "language": "zul", "dimension": 50},
            "chars": {"model": "char_cnn", "dimension": 25, "filters": [[2, 20], [3, 30]]},
            "highway": {"model": "highway"},
            "lstm": {"model": "lstm", "hidden_size": 171},
        },
    )
    for dataset in data["datasets"]:
        dataset["parser"] = {"token_col": 0, "label_col": 1}
    return data


@pytest.fixture
def refusal(four_tasks: dict[str, Any]) -> Refusal:
    """Return a function that edits the config and returns the message that refuses it."""

    def refuse(edits: dict[str, Any]) -> str:
        with pytest.raises(ConfigError) as caught:
            parse_config(edited(four_tasks, edits), source="c.json")
        assert str(caught.value).startswith("c.json: ")
        return str(caught.value).removeprefix("c.json: ")

    return refuse
