"""Validation of the `vocab.json` of a run folder."""

import math
from typing import Any, get_args

from mlmt_jax.config import Config, EmbeddingConfig
from mlmt_jax.metrics.spans import Scheme
from mlmt_jax.text.tag_schemes import is_bioes


def find_problem(data: Any, config: Config) -> str | None:
    """Return the first problem of the content of `vocab.json`, with its JSON path; None if it is valid.

    A valid one has the types that `Vocabulary.from_json` expects, distinct words, characters and tags, and
    an entry for each embedding component, task and data set of the config.

    Args:
        data: the JSON value.
        config: the config of the same run folder.
    """
    if not isinstance(data, dict):
        return "expected an object"
    tasks = [dataset.task for dataset in config.datasets]
    embeddings = {s.name: s.dimension for s in config.components if isinstance(s, EmbeddingConfig)}
    for key, names, is_valid, expected in (
        ("words", embeddings, _is_word_table, "the distinct words of a table"),
        ("tags", tasks, _is_tag_list, "a list of distinct tags"),
        ("spans", tasks, _is_bool, "true or false"),
        ("schemes", [dataset.name for dataset in config.datasets], _is_scheme, "a tag scheme and bare"),
    ):
        part = data.get(key)
        for name in names:
            if not isinstance(part, dict) or not is_valid(part.get(name)):
                return f"{key}[{name!r}]: expected {expected}"
    for task in tasks:
        if data["spans"][task] and not all(map(is_bioes, data["tags"][task])):
            return f"tags[{task!r}]: expected tags of BIOES"
    if not _are_distinct(data.get("characters")) or any(len(char) != 1 for char in data["characters"]):
        return "characters: expected a list of distinct characters"
    if not _is_bool(data.get("word_ends", False)):
        return "word_ends: expected true or false"
    rotations = data.get("rotations", {})
    if not isinstance(rotations, dict) or not rotations.keys() <= embeddings.keys():
        return "rotations: expected a matrix for some of the embeddings"
    for name, matrix in rotations.items():
        if not _is_square(matrix, embeddings[name]):
            return f"rotations[{name!r}]: expected {embeddings[name]} rows of as many finite numbers"
    training_words = data.get("seen", {})
    if not isinstance(training_words, dict) or not all(map(_are_distinct, training_words.values())):
        return "seen: expected the distinct words of each data set"
    return None


def _are_distinct(value: Any) -> bool:
    """Return True if a value is a list of strings without repetition."""
    is_text = isinstance(value, list) and all(isinstance(text, str) for text in value)
    return is_text and len(set(value)) == len(value)


def _is_square(value: Any, size: int) -> bool:
    """Return True if a value is a list of `size` lists of as many finite numbers."""
    rows = value if isinstance(value, list) and all(isinstance(row, list) for row in value) else []
    numbers = [number for row in rows for number in row]
    is_finite = all(isinstance(number, float) and math.isfinite(number) for number in numbers)
    return is_finite and [len(row) for row in rows] == [size] * size


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_tag_list(value: Any) -> bool:
    """Return True if a value is a list of distinct tags: at least one, and none empty."""
    return _are_distinct(value) and bool(value) and all(value)


def _is_word_table(value: Any) -> bool:
    """Return True if a value is a `WordVocab` as JSON, without `more`."""
    if not isinstance(value, dict) or not _are_distinct(value.get("words")):
        return False
    has_flags = _is_bool(value.get("ignore_case")) and _is_bool(value.get("fall_back", True))
    return has_flags and value.keys() <= {"words", "ignore_case", "fall_back"}


def _is_scheme(value: Any) -> bool:
    """Return True if a value has a tag scheme and `bare`, which is true only for IO."""
    if not isinstance(value, dict) or value.get("scheme") not in get_args(Scheme):
        return False
    return _is_bool(value.get("bare")) and (value["scheme"] == "io" or not value["bare"])
