"""The data files of an arrangement: their columns, tag schemes, languages and tasks."""

import argparse
from typing import NamedTuple

from mlmt_jax.configure.flags import ARRANGEMENTS
from mlmt_jax.errors import ConfigError
from mlmt_jax.text.column_guess import guess_format
from mlmt_jax.text.columns import ColumnFormat, read_conll
from mlmt_jax.text.tag_schemes import detect_scheme

_TAGS = {"ner": "spans", "pos": "tags of single words"}  # by default name of the task


class Source(NamedTuple):
    """The files of one task model and their detected format."""

    files: dict[str, str]  # path by split, as given: train, dev, and test if there is one
    columns: ColumnFormat
    scheme: str  # tag scheme of spans; "none" for tags of single words
    sentence_count: int  # of the training file
    language: str
    task: str

    def __str__(self) -> str:
        """Return one line that describes the training file."""
        columns = self.columns
        separators = {None: "tab or spaces", "\t": "tab", " ": "spaces"}
        separator = separators.get(columns.separator, repr(columns.separator))
        places = f"token in column {columns.token_col}, tag in column {columns.label_col} ({separator})"
        tags = "tags of single words" if self.scheme == "none" else f"spans in {self.scheme.upper()}"
        return f"{self.language} {self.task}: {self.sentence_count} training sentences, {places}, {tags}"


def read_sources(args: argparse.Namespace) -> list[Source]:
    """Read the files of all task models of an arrangement; the target comes first.

    Args:
        args: parsed flags.

    Raises:
        InputError: a file cannot be read, the files of one task have different kinds of tags, or there are
            too few names of languages or tasks.
    """
    slots = ARRANGEMENTS[args.arrangement].slots
    languages = _first_names(args.languages, 1 + max(slot.language for slot in slots), "--languages")
    sources = []
    kinds: dict[int, str] = {}
    for slot in slots:
        flags = {split: f"{split}{slot.suffix}" for split in ("train", "dev", "test")}
        files = {split: getattr(args, flag) for split, flag in flags.items() if flag in args}
        columns = guess_format(files["train"], args.encoding)
        sentences = {split: read_conll(path, columns)[0] for split, path in files.items()}
        scheme = detect_scheme(**{split: [s.tags for s in read] for split, read in sentences.items()})
        kind = "pos" if scheme == "none" else "ner"
        expected = kinds.setdefault(slot.task, kind)
        if kind != expected:
            raise ConfigError(
                f"--train{slot.suffix} {files['train']}: not the kind of tags of this task in the target's "
                f"language (got {_TAGS[kind]}, expected {_TAGS[expected]})"
            )
        language = languages[slot.language]
        sources.append(Source(files, columns, scheme, len(sentences["train"]), language, kind))
    names = _first_names(getattr(args, "tasks", list(kinds.values())), len(kinds), "--tasks")
    if len(set(names)) < len(names):
        raise ConfigError(f"both tasks look like {names[0]} (expected two names, such as --tasks ner,chunk)")
    return [source._replace(task=names[slot.task]) for slot, source in zip(slots, sources, strict=True)]


def _first_names(names: list[str], count: int, flag: str) -> list[str]:
    """Return the first ``count`` names; raise ``ConfigError`` if there are fewer."""
    if len(names) < count:
        raise ConfigError(f"{flag} {','.join(names)}: too few names (got {len(names)}, expected {count})")
    return names[:count]
