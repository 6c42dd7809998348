"""What the data files look like: columns, tag scheme, and so the names of the tasks."""

import argparse
from typing import NamedTuple

from mlmt_jax.configure.flags import ARRANGEMENTS
from mlmt_jax.errors import ConfigError
from mlmt_jax.text.column_guess import guess_format
from mlmt_jax.text.columns import ColumnFormat, read_conll
from mlmt_jax.text.tag_schemes import detect_scheme

__all__ = ["Source", "read_sources"]

_KINDS = {"ner": "spans", "pos": "tags of single words"}


class Source(NamedTuple):
    """The files of one task model, and what they look like."""

    files: dict[str, str]  # train, dev and perhaps test, as typed
    form: ColumnFormat
    scheme: str
    sentences: int  # of the training file
    language: str
    task: str

    def __str__(self) -> str:
        """One line for people."""
        form = self.form
        separator = {None: "tab or spaces", "\t": "tab", " ": "spaces"}.get(
            form.separator, repr(form.separator)
        )
        columns = f"token in column {form.token_col}, tag in column {form.label_col} ({separator})"
        scheme = "tags of single words" if self.scheme == "none" else f"spans in {self.scheme.upper()}"
        return f"{self.language} {self.task}: {self.sentences} training sentences, {columns}, {scheme}"


def read_sources(args: argparse.Namespace) -> list[Source]:
    """Reads the files of all task models of an arrangement, the target first.

    Raises:
        InputError: a file that cannot be read; files of one task with different kinds of tags; too few names.
    """
    slots = ARRANGEMENTS[args.arrangement]
    languages = _enough(args.languages, 1 + max(slot.language for slot in slots), "--languages")
    sources = []
    kinds: dict[int, str] = {}
    for slot in slots:
        paths = {split: getattr(args, f"{split}{slot.ending}", None) for split in ("train", "dev", "test")}
        files = {split: path for split, path in paths.items() if path is not None}
        form = guess_format(files["train"], args.encoding)
        read = {split: read_conll(path, form)[0] for split, path in files.items()}
        tags = {split: [sentence.tags for sentence in sentences] for split, sentences in read.items()}
        scheme = detect_scheme(**tags)
        kind = "pos" if scheme == "none" else "ner"
        if kinds.setdefault(slot.task, kind) != kind:
            raise ConfigError(
                f"--train{slot.ending} {files['train']}: has {_KINDS[kind]}; "
                f"expected {_KINDS[kinds[slot.task]]}, as its task has in the target's language"
            )
        sources.append(Source(files, form, scheme, len(read["train"]), languages[slot.language], kind))
    names = _enough(getattr(args, "tasks", list(kinds.values())), len(kinds), "--tasks")
    if len(set(names)) < len(names):
        raise ConfigError(
            f"both tasks look like {names[0]}; expected names that tell them apart, such as --tasks ner,chunk"
        )
    return [source._replace(task=names[slot.task]) for slot, source in zip(slots, sources, strict=True)]


def _enough(names: list[str], count: int, flag: str) -> list[str]:
    if len(names) < count:
        raise ConfigError(f"{flag} {','.join(names)}: {len(names)} given; expected {count}")
    return names[:count]
