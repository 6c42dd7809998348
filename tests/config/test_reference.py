"""The JSON Schema, the reference tables, and the configs in `configs/`."""

import json
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlmt_jax.config import load_config, parse_config
from mlmt_jax.config.__main__ import main
from mlmt_jax.config.fields import ACTIVATIONS
from mlmt_jax.config.recipes import RECIPES

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SHIPPED = [
    "example.json",
    "example_cross_lingual.json",
    "example_single.json",
    "masakhane_xho.json",
    "masakhane_xho_single.json",
    "quickstart.json",
    "quickstart_single.json",
]


def printed(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    main(flags)
    return capsys.readouterr().out


def keys(value: Any) -> set[str]:
    """Return every key of every object in a JSON value."""
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


def test_schema_is_json_with_a_description_of_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    schema = json.loads(printed(capsys))
    assert schema["$schema"].startswith("https://json-schema.org/")
    blocks = [schema, *schema["$defs"].values()]
    assert len(blocks) == 13
    for block in blocks:
        assert block["additionalProperties"] is False
        assert block["description"]
        for key, field in block["properties"].items():
            assert field["description"].endswith("."), key
    kinds = schema["properties"]["components"]["items"]["discriminator"]["mapping"]
    assert set(kinds) == {"embedding", "char_cnn", "highway", "lstm", "linear", "crf"}


def test_reference_has_every_field_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    schema = json.loads(printed(capsys))
    recipes, *tables = printed(capsys, "--reference").split("### ")[1:]
    assert recipes.startswith("Recipes\n")
    assert all(f"| `{choice.key}` |" in recipes for choice in RECIPES["lowres-1"])
    by_summary = {table.split("\n")[2]: table for table in tables}
    blocks = [schema, *schema["$defs"].values()]
    assert len(tables) == len(blocks)
    for block in blocks:
        table = by_summary[block["description"].split("\n")[0]]
        rows = [re.split(r"(?<!\\)\|", row)[1:-1] for row in table.splitlines() if row.startswith("| `")]
        assert [row[0].strip(" `") for row in rows] == list(block["properties"])
        for key, kind, default, meaning in rows:
            field = block["properties"][key.strip(" `")]
            assert kind.strip()
            assert meaning.strip() == field["description"]
            if key.strip(" `") in block.get("required", []):
                assert default.strip() == "required"
            elif not isinstance(field["default"], dict):
                assert json.loads(default.strip(" `")) == field["default"]


def test_activations_are_the_elementwise_functions_of_jax_nn() -> None:
    x = jnp.array([-1.3, 0.2, 2.0, -4.0, 0.7])
    elementwise = set()
    for name in dir(jax.nn):
        function: Any = getattr(jax.nn, name)
        if name.startswith("_") or not callable(function):
            continue
        try:
            whole, part = np.asarray(function(x)), np.asarray(function(x[:3]))
        except Exception:
            continue
        if whole.shape == x.shape and part.shape == (3,) and np.allclose(whole[:3], part):
            elementwise.add(name)
    assert {"relu", "selu", "tanh", "gelu"} <= elementwise
    assert set(ACTIVATIONS) == elementwise


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_configs_load(name: str) -> None:
    # The files of the Masakhane configs are not part of the project.
    config = load_config(CONFIGS / name, check_files=not name.startswith("masakhane"))
    assert config.target == config.tasks[0]
    assert parse_config(config.resolved()) == config


@pytest.mark.parametrize("name", ["masakhane_xho.json", "masakhane_xho_single.json"])
def test_shipped_configs_find_the_real_corpora(name: str, shared_data: Path) -> None:
    config = load_config(CONFIGS / name, [f"data_root={shared_data}"])
    assert config.datasets[0].sample == 200


def original_example(folder: str) -> dict[str, Any]:
    """Return a config with the structure and the keys of the published example."""

    def dataset(language: str, task: str) -> dict[str, Any]:
        columns = {"ner": (0, 1), "pos": (1, 3)}[task]
        return {
            "name": f"{language}_{task}",
            "language": language,
            "type": "sequence",
            "task": task,
            "parser": {"format": "conll", "token_col": columns[0], "label_col": columns[1]},
            "batch_size": 19,
            "files": {split: f"{folder}/{language}.{task}.{split}" for split in ("train", "dev", "test")},
        }

    def task(name: str, language: str, task: str, prob: float) -> dict[str, Any]:
        return {
            "name": name,
            "language": language,
            "task": task,
            "model": {
                "model": "lstm_crf",
                "word_embed": f"{language}_word_embed",
                "char_embed": "char_embed",
                "crf": f"{task}_crf",
                "lstm": "lstm",
                "univ_layer": f"{task}_univ_linear",
                "spec_layer": f"{task}_{language}_linear",
                "embed_dropout": 0.0,
                "lstm_dropout": 0.6,
                "linear_dropout": 0.0,
                "use_char_embedding": True,
                "char_highway": "char_highway",
            },
            "dataset": f"{language}_{task}",
            "learning_rate": 0.02,
            "decay_rate": 0.9,
            "decay_step": 10000,
            "prob": prob,
            "gpu": True,
        }

    def embedding(language: str) -> dict[str, Any]:
        return {
            "name": f"{language}_word_embed",
            "model": "embedding",
            "language": language,
            "file": f"{folder}/{language}.cbow.50d.txt",
            "stats": True,
            "padding": 2,
            "trainable": True,
            "allow_gpu": False,
            "dimension": 50,
            "padding_idx": 0,
            "sparse": True,
        }

    linears = [f"{task}_{kind}_linear" for task in ("ner", "pos") for kind in ("univ", "eng", "nld")]
    return {
        "training": {"eval_freq": 1000, "max_step": 50000, "gpu": True},
        "datasets": [
            dataset("nld", "ner") | {"sample": 200},
            dataset("nld", "pos"),
            dataset("eng", "ner"),
            dataset("eng", "pos"),
        ],
        "tasks": [
            task("Dutch NER", "nld", "ner", 1) | {"ref": True},
            task("Dutch POS", "nld", "pos", 0.1),
            task("English NER", "eng", "ner", 1),
            task("English POS", "eng", "pos", 0.1),
        ],
        "components": [
            embedding("eng"),
            embedding("nld"),
            {
                "name": "char_embed",
                "model": "char_cnn",
                "dimension": 50,
                "filters": [[2, 20], [3, 20], [4, 20]],
            },
            {
                "name": "lstm",
                "model": "lstm",
                "hidden_size": 171,
                "bidirectional": True,
                "forget_bias": 1.0,
                "batch_first": True,
                "dropout": 0.0,
            },
            {"name": "ner_crf", "model": "crf"},
            {"name": "pos_crf", "model": "crf"},
            *({"name": name, "model": "linear", "position": "output"} for name in linears),
            {
                "name": "char_highway",
                "model": "highway",
                "position": "char",
                "num_layers": 2,
                "activation": "selu",
            },
        ],
    }


def test_the_published_example_loads(tmp_path: Path) -> None:
    data = original_example(str(tmp_path))
    assert len(data["components"]) == 13
    files = [file for dataset in data["datasets"] for file in dataset["files"].values()]
    for file in [*files, *(component["file"] for component in data["components"] if "file" in component)]:
        Path(file).touch()
    path = tmp_path / "example_config.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    config = load_config(path)
    assert config.target.name == "Dutch NER"
    assert [task.prob for task in config.tasks] == [1.0, 0.1, 1.0, 0.1]


def test_the_shipped_example_has_the_structure_of_the_published_one(tmp_path: Path) -> None:
    original = original_example(str(tmp_path))
    shipped = json.loads((CONFIGS / "example.json").read_text(encoding="utf-8"))
    assert keys(shipped) == keys(original)
    assert shipped["training"] == original["training"]
    assert [len(shipped[key]) for key in original] == [len(original[key]) for key in original]
