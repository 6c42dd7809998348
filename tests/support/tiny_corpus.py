"""A corpus and a config so small that a four-task run trains in seconds."""

import json
import random
from pathlib import Path
from typing import Any

NAMES = {
    "nld": (["Piet", "Jan", "Mies", "Anna"], ["Gent", "Delft", "Breda"], ["woont", "werkt", "slaapt"]),
    "afr": (["Pieter", "Johan", "Mieke", "Anke"], ["Paarl", "Upington", "Knysna"], ["woon", "werk", "slaap"]),
}
SENTENCES = 12
SCHEMES = {"nld": "iob2", "afr": "iob1"}
TARGET = "nld ner"
TASKS = ("nld ner", "afr ner", "nld pos", "afr pos")
TRAINED_STEPS = 24  # of the run that the tests share
EVAL_FREQ = 8

Token = tuple[str, str, str]  # word, IOB2 tag, part of speech


def sentences(language: str, seed: int, count: int = SENTENCES) -> list[list[Token]]:
    """Sentences of 1 to 6 words, of Afrikaans 1 to 4; two spans of one type touch in some."""
    choose = random.Random(f"{language} {seed}").choice
    people, places, verbs = NAMES[language]
    made: list[list[Token]] = []
    for i in range(count):
        person, place = (choose(people), "B-PER", "PROPN"), (choose(places), "B-LOC", "PROPN")
        verb, stop = (choose(verbs), "O", "VERB"), (".", "O", "PUNCT")
        made.append(
            [
                [person],
                [person, verb, stop],
                [person, verb, ("in", "O", "ADP"), place, stop],
                [person, ("Smit", "I-PER", "PROPN"), verb, ("in", "O", "ADP"), place, stop],
                [place, ("en", "O", "CCONJ"), place, stop],
                [(choose(people), "B-PER", "PROPN"), ("Bos", "I-PER", "PROPN"), person, verb, stop],
            ][i % 6]
        )
    return made if language == "nld" else [sentence[:4] for sentence in made]


def ner_lines(made: list[list[Token]], language: str) -> str:
    """Words and tags: parted by spaces in IOB2, or by tabs in IOB1, after a comment."""
    if SCHEMES[language] == "iob2":
        return "\n\n".join("\n".join(f"{word} {tag}" for word, tag, _ in one) for one in made) + "\n"
    blocks = []
    for one in made:
        tags = [tag for _, tag, _ in one]
        for i, tag in enumerate(tags):
            touches = i > 0 and tags[i - 1][1:] == tag[1:]
            if tag[0] == "B" and not touches:
                tags[i] = f"I{tag[1:]}"
        blocks.append("# a comment\n" + "\n".join(f"{t[0]}\t{tag}" for t, tag in zip(one, tags, strict=True)))
    return "\n\n".join(blocks) + "\n"


def pos_lines(made: list[list[Token]]) -> str:
    """CoNLL-U with a comment and a multi-word range before each sentence."""
    blocks = []
    for number, one in enumerate(made):
        rows = [f"{i}\t{word}\t_\t{pos}\t_\t_\t0\t_\t_\t_" for i, (word, _, pos) in enumerate(one, 1)]
        blocks.append("\n".join([f"# sent_id = {number}", "1-2\tx\t_\t_\t_\t_\t_\t_\t_\t_", *rows]))
    return "\n\n".join(blocks) + "\n\n"


def config() -> dict[str, Any]:
    """Two languages, two tasks, every kind of component, tiny sizes."""
    pairs = [(language, task) for task in ("ner", "pos") for language in ("nld", "afr")]
    parsers: dict[str, dict[str, Any]] = {"ner": {}, "pos": {"token_col": 1, "label_col": 3}}
    return {
        "training": {
            "max_step": TRAINED_STEPS,
            "eval_freq": EVAL_FREQ,
            "seed": 3,
            "aux_task_weight": 0.5,
            "aux_language_weight": 0.5,
            "eval_batch_size": 16,
        },
        "datasets": [
            {
                "name": f"{language}_{task}",
                "language": language,
                "task": task,
                "batch_size": 4,
                "parser": parsers[task],
                "files": {split: f"{language}.{task}.{split}" for split in ("train", "dev", "test")},
            }
            for language, task in pairs
        ],
        "tasks": [
            {
                "name": f"{language} {task}",
                "language": language,
                "task": task,
                "dataset": f"{language}_{task}",
                "ref": f"{language} {task}" == TARGET,
                "learning_rate": 0.2,
                "decay_step": 100,
                "model": {
                    "word_embed": f"{language}_words",
                    "char_embed": "chars",
                    "char_highway": "highway",
                    "lstm": "lstm",
                    "univ_layer": f"{task}_univ",
                    "spec_layer": f"{task}_{language}",
                    "crf": f"{task}_crf",
                    "lstm_dropout": 0.1,
                },
            }
            for language, task in pairs
        ],
        "components": [
            {"name": "nld_words", "model": "embedding", "dimension": 4, "file": "nld.vec"},
            {"name": "afr_words", "model": "embedding", "dimension": 4},
            {"name": "chars", "model": "char_cnn", "dimension": 3, "filters": [[2, 5]]},
            {"name": "highway", "model": "highway"},
            {"name": "lstm", "model": "lstm", "hidden_size": 5},
            *({"name": f"{task}_univ", "model": "linear"} for task in ("ner", "pos")),
            *({"name": f"{task}_{language}", "model": "linear"} for language, task in pairs),
            *({"name": f"{task}_crf", "model": "crf"} for task in ("ner", "pos")),
        ],
    }


def of_tasks(data: dict[str, Any], *names: str) -> dict[str, Any]:
    """The config with these task models alone, and what they use."""
    tasks = [task for task in data["tasks"] if task["name"] in names]
    used = {name for task in tasks for name in task["model"].values() if isinstance(name, str)}
    return {
        **data,
        "datasets": [own for own in data["datasets"] if own["name"] in {task["dataset"] for task in tasks}],
        "tasks": tasks,
        "components": [part for part in data["components"] if part["name"] in used],
    }


def without_characters(data: dict[str, Any]) -> dict[str, Any]:
    """The config with word vectors alone, which compiles in half the time."""
    letters = ("char_embed", "char_highway")
    tasks = []
    for task in data["tasks"]:
        model = {role: name for role, name in task["model"].items() if role not in letters}
        tasks.append({**task, "model": {**model, "use_char_embedding": False}})
    kinds = ("char_cnn", "highway")
    components = [part for part in data["components"] if part["model"] not in kinds]
    return {**data, "tasks": tasks, "components": components}


def lean(name: str, **training: Any) -> dict[str, Any]:
    """One task model alone, without characters, specific layer and dropout: the quickest to compile."""
    data = without_characters(config())
    for task in data["tasks"]:
        for role in ("spec_layer", "lstm_dropout"):
            del task["model"][role]
        task["ref"] = True  # it will be the only one
    return {**of_tasks(data, name), "training": {**data["training"], **training}}


def write_config(folder: Path, data: dict[str, Any], name: str = "tiny.json") -> Path:
    """Writes a config into a folder and gives its path."""
    path = folder / name
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def write_corpus(folder: Path) -> Path:
    """Writes all files and the config into a folder; gives the config's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for language in NAMES:
        for seed, split in enumerate(("train", "dev", "test")):
            made = sentences(language, seed)
            (folder / f"{language}.ner.{split}").write_text(ner_lines(made, language), encoding="utf-8")
            (folder / f"{language}.pos.{split}").write_text(pos_lines(made), encoding="utf-8")
    people, places, verbs = NAMES["nld"]
    rows = [(words, kind) for kind, words in enumerate((people, places, verbs))]
    vectors = [
        f"{word} {' '.join(str(0.5 * (i == kind) + 0.01 * len(word)) for i in range(4))}"
        for words, kind in rows
        for word in words
    ]
    (folder / "nld.vec").write_text("\n".join(vectors) + "\n", encoding="utf-8")
    return write_config(folder, config())
