"""A corpus and a config with which a run of four tasks trains in seconds."""

import copy
import json
import random
from pathlib import Path
from typing import Any

from task_grid import only_tasks, task_grid

NAMES = {
    "nld": (["Piet", "Jan", "Mies", "Anna"], ["Gent", "Delft", "Breda"], ["woont", "werkt", "slaapt"]),
    "afr": (["Pieter", "Johan", "Mieke", "Anke"], ["Paarl", "Upington", "Knysna"], ["woon", "werk", "slaap"]),
}
SENTENCES = 12
SCHEMES = {"nld": "iob2", "afr": "iob1"}
TARGET = "nld ner"
TASKS = ("nld ner", "afr ner", "nld pos", "afr pos")
TRAINED_STEPS = 24  # steps of the run that tests share
EVAL_FREQ = 8

Token = tuple[str, str, str]  # word, IOB2 tag, part of speech


def sentences(language: str, seed: int, count: int = SENTENCES) -> list[list[Token]]:
    """Return sentences of 1 to 6 words, in Afrikaans 1 to 4; some have two adjacent spans of one type."""
    choose = random.Random(f"{language} {seed}").choice
    people, places, verbs = NAMES[language]
    corpus: list[list[Token]] = []
    for i in range(count):
        person, place = (choose(people), "B-PER", "PROPN"), (choose(places), "B-LOC", "PROPN")
        verb, stop = (choose(verbs), "O", "VERB"), (".", "O", "PUNCT")
        corpus.append(
            [
                [person],
                [person, verb, stop],
                [person, verb, ("in", "O", "ADP"), place, stop],
                [person, ("Smit", "I-PER", "PROPN"), verb, ("in", "O", "ADP"), place, stop],
                [place, ("en", "O", "CCONJ"), place, stop],
                [(choose(people), "B-PER", "PROPN"), ("Bos", "I-PER", "PROPN"), person, verb, stop],
            ][i % 6]
        )
    return corpus if language == "nld" else [sentence[:4] for sentence in corpus]


def ner_lines(corpus: list[list[Token]], language: str) -> str:
    """Return the text of a column file: IOB2 after spaces (Dutch), or a comment, then IOB1 after tabs."""
    if SCHEMES[language] == "iob2":
        return (
            "\n\n".join("\n".join(f"{word} {tag}" for word, tag, _ in sentence) for sentence in corpus) + "\n"
        )
    blocks = []
    for sentence in corpus:
        words, tags, _ = map(list, zip(*sentence, strict=True))
        for i, tag in enumerate(tags):
            touches = i > 0 and tags[i - 1][1:] == tag[1:]
            if tag[0] == "B" and not touches:
                tags[i] = f"I{tag[1:]}"
        blocks.append("# a comment\n" + "\n".join(map("\t".join, zip(words, tags, strict=True))))
    return "\n\n".join(blocks) + "\n"


def pos_lines(corpus: list[list[Token]]) -> str:
    """Return the text of a CoNLL-U file with a comment and a multi-word range before each sentence."""
    blocks = []
    for number, sentence in enumerate(corpus):
        rows = [f"{i}\t{word}\t_\t{pos}\t_\t_\t0\t_\t_\t_" for i, (word, _, pos) in enumerate(sentence, 1)]
        blocks.append("\n".join([f"# sent_id = {number}", "1-2\tx\t_\t_\t_\t_\t_\t_\t_\t_", *rows]))
    return "\n\n".join(blocks) + "\n\n"


def config() -> dict[str, Any]:
    """Return a config of two languages, two tasks, every kind of component and tiny sizes."""
    data = task_grid(
        [(language, task) for task in ("ner", "pos") for language in ("nld", "afr")],
        {
            "nld_words": {"model": "embedding", "dimension": 4, "file": "nld.vec"},
            "afr_words": {"model": "embedding", "dimension": 4},
            "chars": {"model": "char_cnn", "dimension": 3, "filters": [[2, 5]]},
            "highway": {"model": "highway"},
            "lstm": {"model": "lstm", "hidden_size": 5},
        },
    )
    data["training"] = {
        "max_step": TRAINED_STEPS,
        "eval_freq": EVAL_FREQ,
        "seed": 3,
        "aux_task_weight": 0.5,
        "aux_language_weight": 0.5,
        "eval_batch_size": 16,
    }
    for dataset in data["datasets"]:
        columns = {"token_col": 1, "label_col": 3} if dataset["task"] == "pos" else {}
        dataset |= {"batch_size": 4, "parser": columns}
    for task in data["tasks"]:
        task |= {"learning_rate": 0.2, "decay_step": 100}
        task["model"]["lstm_dropout"] = 0.1
    return data


def without_characters(data: dict[str, Any]) -> dict[str, Any]:
    """Return a config without character features, which compiles in half the time."""
    data = copy.deepcopy(data)
    for task in data["tasks"]:
        del task["model"]["char_embed"], task["model"]["char_highway"]
        task["model"]["use_char_embedding"] = False
    return only_tasks(data, *(task["name"] for task in data["tasks"]))


def lean(name: str, **training: Any) -> dict[str, Any]:
    """Return a config of one task model without characters, specific layer and dropout; it compiles fastest.

    Args:
        name: the task model, which becomes the target.
        training: values of the block `training`.
    """
    data = without_characters(config())
    for task in data["tasks"]:
        del task["model"]["spec_layer"], task["model"]["lstm_dropout"]
        task["ref"] = True  # only one task model remains
    return {**only_tasks(data, name), "training": {**data["training"], **training}}


def write_config(folder: Path, data: dict[str, Any], name: str = "tiny.json") -> Path:
    """Write a config to a folder; return its path."""
    path = folder / name
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def write_corpus(folder: Path) -> Path:
    """Write the data files, the vectors and the config to a folder; return the config's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for language in NAMES:
        for seed, split in enumerate(("train", "dev", "test")):
            corpus = sentences(language, seed)
            (folder / f"{language}.ner.{split}").write_text(ner_lines(corpus, language), encoding="utf-8")
            (folder / f"{language}.pos.{split}").write_text(pos_lines(corpus), encoding="utf-8")
    people, places, verbs = NAMES["nld"]
    rows = [(words, kind) for kind, words in enumerate((people, places, verbs))]
    vectors = [
        f"{word} {' '.join(str(0.5 * (i == kind) + 0.01 * len(word)) for i in range(4))}"
        for words, kind in rows
        for word in words
    ]
    (folder / "nld.vec").write_text("\n".join(vectors) + "\n", encoding="utf-8")
    return write_config(folder, config())
