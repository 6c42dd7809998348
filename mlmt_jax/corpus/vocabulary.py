"""Vocabularies: the words of each embedding table, the characters, and the tags of each task.

Row 0 of a word table is the out-of-vocabulary (OOV) word. Of a character table, row 0 is "no character"
and row 1 the OOV character.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mlmt_jax.types import Sizes

#: Only the first 64 characters of a word are read, so that one word cannot make the batch shapes grow.
MAX_CHARACTERS = 64

_OOV_CHARACTER, _FIRST_CHARACTER = 1, 2  # rows of a character table
_DIGIT = re.compile(r"\d")


def fallback_forms(word: str) -> tuple[str, str, str, str]:
    """Return the forms under which a word is looked up, from the most to the least specific.

    NFC is the Unicode normal form that writes an accented letter as one character where it can.

    Returns:
        The word, the word in NFC, that in lower case, and that with each decimal digit replaced by 0.
    """
    composed = word if word.isascii() else unicodedata.normalize("NFC", word)
    lower = composed.lower()
    return word, composed, lower, _DIGIT.sub("0", lower)


@dataclass(frozen=True)
class WordVocab:
    """The words of one embedding table: row 0 is the OOV word, row i is `words[i - 1]`.

    A word that is not in the table falls back to a word of the table: one that is the same in NFC, else
    in lower case, else with each digit read as 0 (`fallback_forms`). If several words of the table
    match, the word that equals the form wins, then the first one. Vector files list frequent words first.
    """

    words: tuple[str, ...]  # distinct
    ignore_case: bool = False  # words are lower-cased before they are looked up
    fall_back: bool = True  # if false, only the word itself is looked up
    #: Searched for words that have no row here. Its row i is row `len(words) + i` of the table.
    extension: "WordVocab | None" = None

    @cached_property
    def _row_by_word(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.words, 1)}

    @cached_property
    def _rows_by_form(self) -> tuple[dict[str, int], ...]:
        """The row of the first word with each fallback form: by NFC, by lower case, by digits as 0.

        Forms that are words of the table are left out: `_row_by_word` has them.
        """
        rows_by_form: tuple[dict[str, int], ...] = ({}, {}, {})
        for word, row in self._row_by_word.items():
            _, *forms = fallback_forms(word)
            if forms[-1] == word:  # true of most words, and then all forms equal the word
                continue
            for form, rows in zip(forms, rows_by_form, strict=True):
                if form not in self._row_by_word:
                    rows.setdefault(form, row)
        return rows_by_form

    @property
    def size(self) -> int:
        """The number of rows of the table: the OOV word, ``words``, and then those of the extension."""
        return 1 + len(self.words) + (len(self.extension.words) if self.extension else 0)

    def row(self, word: str) -> int:
        """Return the row of a word or of the word that it falls back to; 0 if there is none."""
        key = word.lower() if self.ignore_case else word
        row = self._row_by_word.get(key)
        if row:  # most words: their fallback forms are not computed
            return row
        if self.fall_back:
            for form, rows in zip(fallback_forms(key)[1:], self._rows_by_form, strict=True):
                row = self._row_by_word.get(form) or rows.get(form)
                if row:
                    return row
        row = self.extension.row(word) if self.extension else 0
        return row and len(self.words) + row

    def rows(self, words: Iterable[str]) -> np.ndarray:
        """Return the row of each word, (n,) int32."""
        return np.array([self.row(word) for word in words], np.int32)

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object of a run folder; `fall_back` and `more` only if they are not the default."""
        fall_back = {} if self.fall_back else {"fall_back": False}
        more = {} if self.extension is None else {"more": self.extension.as_json()}
        return {"ignore_case": self.ignore_case, **fall_back, "words": list(self.words), **more}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "WordVocab":
        """Return the vocabulary that `as_json` wrote."""
        extension = cls.from_json(data["more"]) if "more" in data else None
        return cls(tuple(data["words"]), data["ignore_case"], data.get("fall_back", True), extension)


@dataclass(frozen=True)
class CharacterVocab:
    """The characters of all training data: row i of a character table is `characters[i - 2]`.

    With `word_ends`, two more rows come last: the begin and the end of a word, around its characters.
    """

    characters: tuple[str, ...]  # distinct
    word_ends: bool = False

    @cached_property
    def _row_by_code_point(self) -> np.ndarray:
        """The row of each code point up to the largest known one, and a last 1 for all larger ones, int32."""
        codes = _code_points("".join(self.characters))
        rows = np.full(int(codes.max(initial=0)) + 2, _OOV_CHARACTER, np.int32)
        rows[codes] = np.arange(len(codes)) + _FIRST_CHARACTER
        return rows

    @property
    def size(self) -> int:
        """The number of rows of a character table, those that stand for no single character included."""
        return _FIRST_CHARACTER + len(self.characters) + 2 * self.word_ends

    def rows(self, words: Iterable[str], *, fall_back: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of the characters of words; without `word_ends`, an empty word has one row, 0.

        Args:
            words: n words, of which the first `MAX_CHARACTERS` characters are read.
            fall_back: read a word that has OOV characters in the form with the fewest of them: as it
                stands, in NFC or in NFD.

        Returns:
            The rows of all words one after the other, (C,) int32, and the number of rows of each word,
            (n,) int32.
        """
        words = list(words)
        rows, lengths = self._encode(words)
        owners = np.repeat(np.arange(len(words)), lengths)[rows == _OOV_CHARACTER]
        if not fall_back or not len(owners):
            return rows, lengths
        forms = words.copy()
        for i in np.unique(owners):
            normal_forms = (unicodedata.normalize(form, words[i]) for form in ("NFC", "NFD"))
            forms[i] = min((words[i], *normal_forms), key=self._count_oov)
        return (rows, lengths) if forms == words else self._encode(forms)

    def _count_oov(self, word: str) -> int:
        return int(np.sum(self._encode([word])[0] == _OOV_CHARACTER))

    def _encode(self, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and lengths as `rows` does, each word read as it stands."""
        heads = [word[:MAX_CHARACTERS] for word in words]
        characters = np.array([len(head) for head in heads], np.int32)
        # All words at once: one call of NumPy a word takes longer than the rest of the encoding.
        codes = np.minimum(_code_points("".join(heads)), len(self._row_by_code_point) - 1)
        inner = self._row_by_code_point[codes]
        if self.word_ends:
            ends = np.cumsum(characters)
            rows = np.insert(inner, np.concatenate([ends - characters, ends]), -1)
            lengths = characters + 2
            rows[np.cumsum(lengths) - lengths], rows[np.cumsum(lengths) - 1] = self.size - 2, self.size - 1
            return rows, lengths
        lengths = np.maximum(characters, 1)
        rows = np.zeros(lengths.sum(), np.int32)
        rows[np.repeat(characters > 0, lengths)] = inner
        return rows, lengths


def _code_points(text: str) -> np.ndarray:
    """Return the Unicode code point of each character, (n,) uint32; lone surrogates are allowed."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


@dataclass(frozen=True)
class Vocabulary:
    """All names that a model maps to rows and indices; a run folder keeps it in `vocab.json`."""

    words: dict[str, WordVocab]  # by embedding component
    characters: CharacterVocab
    tags: dict[str, tuple[str, ...]]  # by task, in the order of their indices
    spans: dict[str, bool]  # by task: true for spans in BIOES, false for one independent tag a word
    #: By data set, the words of its training sentences. Empty for runs of versions that did not keep them.
    training_words: dict[str, frozenset[str]] = field(default_factory=dict)
    #: By embedding component, the orthogonal matrix (d, d) by which the vectors of its file were multiplied.
    rotations: dict[str, list[list[float]]] = field(default_factory=dict)

    @property
    def sizes(self) -> Sizes:
        """The sizes and tags from which a model is built."""
        return Sizes(
            words={name: words.size for name, words in self.words.items()},
            characters=self.characters.size,
            tags={task: list(tags) for task, tags in self.tags.items()},
            spans=self.spans,
        )

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object of `vocab.json`, without the tag schemes of the files."""
        return {
            "words": {name: words.as_json() for name, words in self.words.items()},
            "characters": list(self.characters.characters),
            # Runs from before the key have neither.
            **({"word_ends": True} if self.characters.word_ends else {}),
            **({"rotations": self.rotations} if self.rotations else {}),
            "tags": {task: list(tags) for task, tags in self.tags.items()},
            "spans": self.spans,
            "seen": {dataset: sorted(words) for dataset, words in self.training_words.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Vocabulary":
        """Return the vocabulary that `as_json` wrote."""
        return cls(
            words={name: WordVocab.from_json(words) for name, words in data["words"].items()},
            characters=CharacterVocab(tuple(data["characters"]), data.get("word_ends", False)),
            tags={task: tuple(tags) for task, tags in data["tags"].items()},
            spans=dict(data["spans"]),
            training_words={dataset: frozenset(words) for dataset, words in data.get("seen", {}).items()},
            rotations=data.get("rotations", {}),
        )
