"""A complete, small config to break in one place at a time."""

from typing import Any

import pytest


@pytest.fixture
def four_tasks() -> dict[str, Any]:
    """Two languages, two tasks, every kind of component; every role is filled."""
    pairs = [("xho", "ner"), ("zul", "ner"), ("xho", "pos"), ("zul", "pos")]
    linears = [f"{task}_{kind}" for task in ("ner", "pos") for kind in ("univ", "xho", "zul")]
    return {
        "training": {"max_step": 100},
        "datasets": [
            {
                "name": f"{language}_{task}",
                "language": language,
                "task": task,
                "parser": {"token_col": 0, "label_col": 1},
                "files": {split: f"{language}.{task}.{split}.txt" for split in ("train", "dev", "test")},
            }
            for language, task in pairs
        ],
        "tasks": [
            {
                "name": f"{language} {task}",
                "language": language,
                "task": task,
                "dataset": f"{language}_{task}",
                "ref": (language, task) == ("xho", "ner"),
                "model": {
                    "word_embed": f"{language}_words",
                    "char_embed": "chars",
                    "char_highway": "highway",
                    "lstm": "lstm",
                    "univ_layer": f"{task}_univ",
                    "spec_layer": f"{task}_{language}",
                    "crf": f"{task}_crf",
                },
            }
            for language, task in pairs
        ],
        "components": [
            {
                "name": "xho_words",
                "model": "embedding",
                "language": "xho",
                "dimension": 50,
                "file": "xho.vec",
            },
            {"name": "zul_words", "model": "embedding", "language": "zul", "dimension": 50},
            {"name": "chars", "model": "char_cnn", "dimension": 25, "filters": [[2, 20], [3, 30]]},
            {"name": "highway", "model": "highway"},
            {"name": "lstm", "model": "lstm", "hidden_size": 171},
            *({"name": name, "model": "linear"} for name in linears),
            {"name": "ner_crf", "model": "crf"},
            {"name": "pos_crf", "model": "crf"},
        ],
    }
