"""A small clean corpus for the check command, and the parsed output of the command."""

from collections.abc import Callable
from typing import Any, NamedTuple

# The corpus has no findings: no mistake, and no sentence in two files. Tokens of TRAIN: lines 1 to 5, 7 to 9.
TRAIN = "Jan B-PER\nwoont O\nin O\nGent B-LOC\n. O\n\nMies B-PER\nslaapt O\n. O\n"
DEV = "Piet B-PER\nSmit I-PER\nwerkt O\n\nBreda B-LOC\n"
TEST = "Anna B-PER\nwerkt O\nin O\nBreda B-LOC\n. O\n"


class Report(NamedTuple):
    """A finding of the output, with paths relative to the folder of the corpus."""

    kind: str
    place: str
    text: str
    advice: str


class Output(NamedTuple):
    status: int
    reports: list[Report]
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
