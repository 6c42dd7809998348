"""Whether what a run folder's ``vocab.json`` holds can be the vocabulary of its config."""

from typing import Any, get_args

from mlmt_jax.config import Config, EmbeddingConfig
from mlmt_jax.metrics.spans import Scheme
from mlmt_jax.text.tag_schemes import is_bioes

__all__ = ["find_wrong"]

_SCHEMES = get_args(Scheme)


def find_wrong(data: Any, config: Config) -> str | None:
    """The first thing that is wrong, its JSON path and what was expected; None where nothing is."""
    if not isinstance(data, dict):
        return "expected an object"
    words = {spec.name: _is_table for spec in config.components if isinstance(spec, EmbeddingConfig)}
    tasks = [dataset.task for dataset in config.datasets]
    expected = {
        "words": (words, "the different words of a table"),
        "tags": (dict.fromkeys(tasks, _is_tags), "a list of different tags"),
        "spans": (dict.fromkeys(tasks, _is_bool), "true or false"),
        "schemes": ({dataset.name: _is_scheme for dataset in config.datasets}, "a tag scheme and bare"),
    }
    for key, (checks, what) in expected.items():
        part = data.get(key)
        for name, is_right in checks.items():
            if not isinstance(part, dict) or not is_right(part.get(name)):
                return f"{key}[{name!r}]: expected {what}"
    for task in tasks:
        if data["spans"][task] and not all(map(is_bioes, data["tags"][task])):
            return f"tags[{task!r}]: expected tags of BIOES"
    if not _are_different(data.get("characters")) or any(len(one) != 1 for one in data["characters"]):
        return "characters: expected a list of different characters"
    seen = data.get("seen", {})
    if not isinstance(seen, dict) or not all(map(_are_different, seen.values())):
        return "seen: expected the different words of each data set"
    return None


def _are_different(value: Any) -> bool:
    """Whether a value is a list of strings of which none comes twice."""
    is_text = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return is_text and len(set(value)) == len(value)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_tags(value: Any) -> bool:
    return _are_different(value) and bool(value) and all(value)


def _is_table(value: Any) -> bool:
    if not isinstance(value, dict) or not _are_different(value.get("words")):
        return False
    is_flagged = _is_bool(value.get("ignore_case")) and _is_bool(value.get("fall_back", True))
    return is_flagged and value.keys() <= {"words", "ignore_case", "fall_back"}


def _is_scheme(value: Any) -> bool:
    if not isinstance(value, dict) or value.get("scheme") not in _SCHEMES:
        return False
    return _is_bool(value.get("bare")) and (value["scheme"] == "io" or not value["bare"])
