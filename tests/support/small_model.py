"""A four-task model and batches for it, small enough for slow oracles."""

from functools import lru_cache
from typing import Any

import jax
import numpy as np
from dense import DenseSentence, dense_chars, dense_words, pack_dense
from tag_oracles import well_formed

from mlmt_jax.config import Config, parse_config
from mlmt_jax.model import Model, build_model, init_params
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
    """The config of the task models (language, task), the first of them the target.

    Args:
        pairs: of language and task.
        roles: what all tasks have otherwise under "model"; None takes a key out.
        components: what the component of that name has otherwise.
    """

    def wiring(language: str, task: str) -> dict[str, Any]:
        own = {
            "word_embed": f"{language}_words",
            "char_embed": "chars",
            "char_highway": "highway",
            "lstm": "lstm",
            "univ_layer": f"{task}_univ",
            "spec_layer": f"{task}_{language}",
            "crf": f"{task}_crf",
        } | (roles or {})
        return {role: name for role, name in own.items() if name is not None}

    tasks = [
        {
            "name": f"{language} {task}",
            "language": language,
            "task": task,
            "dataset": f"{language}_{task}",
            "ref": (language, task) == pairs[0],
            "model": wiring(language, task),
        }
        for language, task in pairs
    ]
    known = {
        "chars": {"model": "char_cnn", "dimension": 3, "filters": [[2, 4], [3, 3]]},
        "highway": {"model": "highway", "num_layers": 2, "activation": "selu"},
        "lstm": {"model": "lstm", "hidden_size": 6},
    }
    for language, task in pairs:
        known[f"{language}_words"] = {"model": "embedding", "dimension": 5}
        known[f"{task}_univ"] = known[f"{task}_{language}"] = {"model": "linear"}
        known[f"{task}_crf"] = {"model": "crf"}
    used = {name for task in tasks for name in task["model"].values()}
    datasets = [
        {
            "name": f"{language}_{task}",
            "language": language,
            "task": task,
            "files": {"train": "train.txt", "dev": "dev.txt"},
        }
        for language, task in pairs
    ]
    return parse_config(
        {
            "training": {"max_step": 1},
            "datasets": datasets,
            "tasks": tasks,
            "components": [
                {"name": name, **spec, **components.get(name, {})}
                for name, spec in known.items()
                if name in used
            ],
        }
    )


def random_params(model: Model, seed: int = 10) -> Params:
    """Parameters as training might leave them: no entry is 0."""
    shapes = jax.eval_shape(lambda key: init_params(model, key), jax.random.key(0))
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda x: random.normal(0.0, 0.5, x.shape).astype(np.float32), shapes)


@lru_cache
def small_model() -> tuple[Model, Params]:
    """The four task models, with random parameters."""
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
    """Some sentences of a batch in another order and in other places; rows left over are empty."""
    words, chars, tags = dense_words(batch), dense_chars(batch), np.asarray(batch.sentences.tags)
    lengths = np.asarray(batch.sentences.lengths)
    sentences = [DenseSentence(*(values[i, : lengths[i]] for values in (words, chars, tags))) for i in order]
    return pack_dense(sentences, rows, n, more=7)
