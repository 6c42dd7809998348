"""A small clean corpus for the data doctor, and what the doctor says."""

from collections.abc import Callable
from typing import Any, NamedTuple

# Lines 1 to 5 and 7 to 9; nothing in them is wrong, and no sentence stands in two files.
TRAIN = "Jan B-PER\nwoont O\nin O\nGent B-LOC\n. O\n\nMies B-PER\nslaapt O\n. O\n"
DEV = "Piet B-PER\nSmit I-PER\nwerkt O\n\nBreda B-LOC\n"
TEST = "Anna B-PER\nwerkt O\nin O\nBreda B-LOC\n. O\n"


class Told(NamedTuple):
    """A line of the output, without the folder, and the advice below it."""

    kind: str
    place: str
    text: str
    advice: str


class Output(NamedTuple):
    status: int
    told: list[Told]
    summary: str


Check = Callable[..., Output]


def config(files: dict[str, str], parser: dict[str, Any], vectors: bool) -> dict[str, Any]:
    table = {"name": "words", "model": "embedding", "dimension": 2}
    roles = {"word_embed": "words", "lstm": "lstm", "univ_layer": "layer", "crf": "crf"}
    names = {"name": "nld", "language": "nld", "task": "ner"}
    return {
        "training": {"max_step": 1},
        "datasets": [{**names, "parser": parser, "files": {split: split for split in files}}],
        "tasks": [{**names, "dataset": "nld", "ref": True, "model": {**roles, "use_char_embedding": False}}],
        "components": [
            {**table, "file": "vectors"} if vectors else table,
            {"name": "lstm", "model": "lstm", "hidden_size": 2},
            {"name": "layer", "model": "linear"},
            {"name": "crf", "model": "crf"},
        ],
    }
