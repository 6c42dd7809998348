"""A small corpus without mistakes for tests of `check`, and the messages of `check`."""

from collections.abc import Callable
from typing import Any, NamedTuple

# The sentences are lines 1 to 5 and 7 to 9. There are no mistakes, and no sentence is in two files.
TRAIN = "Jan B-PER\nwoont O\nin O\nGent B-LOC\n. O\n\nMies B-PER\nslaapt O\n. O\n"
DEV = "Piet B-PER\nSmit I-PER\nwerkt O\n\nBreda B-LOC\n"
TEST = "Anna B-PER\nwerkt O\nin O\nBreda B-LOC\n. O\n"


class Message(NamedTuple):
    """One message of the output, without the folder, and the advice on its second line."""

    kind: str
    place: str
    text: str
    advice: str


class Output(NamedTuple):
    """The exit status, the messages and the last line of `check`."""

    status: int
    messages: list[Message]
    summary: str


Check = Callable[..., Output]


def config(files: dict[str, str], parser: dict[str, Any], vectors: bool) -> dict[str, Any]:
    """Return a config with one task, with or without word vectors.

    Args:
        files: by split; their content does not matter.
        parser: the parser block of the dataset.
        vectors: read word vectors from the file "vectors".
    """
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
