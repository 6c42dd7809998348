"""A four-task model and batches for it, small enough for slow oracles."""

from functools import lru_cache
from typing import Any

import jax
import numpy as np
from dense import DenseSentence, dense_chars, dense_words, pack_dense
from tag_oracles import well_formed
from task_grid import only_tasks, task_grid

from mlmt_jax.config import Config, parse_config
from mlmt_jax.model.build import Model, build_model, init_params
from mlmt_jax.types import Batch, Params, Sizes

PAIRS = (("xho", "ner"), ("zul", "ner"), ("xho", "pos"), ("zul", "pos"))
SIZES = Sizes(
    words={"xho_words": 13, "zul_words": 11},
    characters=9,
    tags={"ner": ["O", "B-LOC", "I-LOC", "E-LOC", "S-LOC"], "pos": ["ADJ", "NOUN", "VERB"]},
    spans={"ner": True, "pos": False},
)
LEAST, MOST = 1, 6  # characters of a word: the filters are 2 and 3 wide


def small_config(
    pairs: tuple[tuple[str, str], ...] = PAIRS,
    roles: dict[str, Any] | None = None,
    **components: dict[str, Any],
) -> Config:
    """Return the config of the task models of `pairs`, the first of them the target.

    Args:
        pairs: language and task of each task model.
        roles: values under "model" that replace those of every task; None removes a key.
        components: by component, values that are added to its config.
    """
    data = task_grid(
        pairs,
        {
            "chars": {"model": "char_cnn", "dimension": 3, "filters": [[2, 4], [3, 3]]},
            "highway": {"model": "highway", "num_layers": 2, "activation": "selu"},
            "lstm": {"model": "lstm", "hidden_size": 6},
            **{f"{language}_words": {"model": "embedding", "dimension": 5} for language, _ in pairs},
        },
    )
    for task in data["tasks"]:
        model = task["model"] | (roles or {})
        task["model"] = {role: name for role, name in model.items() if name is not None}
    for component in data["components"]:
        component |= components.get(component["name"], {})
    return parse_config(only_tasks(data, *(task["name"] for task in data["tasks"])))


def random_params(model: Model, seed: int = 10) -> Params:
    """Parameters as training might leave them: no entry is 0."""
    shapes = jax.eval_shape(lambda key: init_params(model, key), jax.random.key(0))
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda x: random.normal(0.0, 0.5, x.shape).astype(np.float32), shapes)


@lru_cache
def small_model() -> tuple[Model, Params]:
    """Return the four task models with random parameters."""
    model = build_model(small_config(), SIZES)
    return model, random_params(model)


def random_batch(task: str, lengths: list[int], n: int, seed: int = 0) -> Batch:
    """Sentences of the given lengths with well-formed gold tags, in n places."""
    random = np.random.default_rng(seed)
    language, _, kind = task.partition(" ")
    sentences = []
    for length in lengths:
        letters = np.arange(MOST) < random.integers(LEAST, MOST + 1, (length, 1))
        chars = np.where(letters, random.integers(1, SIZES.characters, (length, MOST)), 0)
        words = random.integers(0, SIZES.words[f"{language}_words"], length)
        if kind == "ner":
            possible = sorted(well_formed(length, ["LOC"], "bioes"))
            tags = [SIZES.tags["ner"].index(tag) for tag in random.choice(possible)]
        else:
            tags = random.integers(0, len(SIZES.tags[kind]), length)
        sentences.append(DenseSentence(*(np.array(values, np.int32) for values in (words, chars, tags))))
    return pack_dense(sentences, len(lengths), n)


def rebatch(batch: Batch, order: list[int], rows: int, n: int) -> Batch:
    """Assemble sentences of a batch in another order and size; rows that are left over are empty."""
    words, chars, tags = dense_words(batch), dense_chars(batch), np.asarray(batch.sentences.tags)
    lengths = np.asarray(batch.sentences.lengths)
    sentences = [DenseSentence(*(values[i, : lengths[i]] for values in (words, chars, tags))) for i in order]
    return pack_dense(sentences, rows, n, more=7)
