"""What the model knows by name: words of each embedding, characters, tags of each task.

Row 0 of a word table is the unknown word. Of the characters, 0 is "no character" and 1 the unknown one.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlmt_jax.corpus.vectors import Vectors

__all__ = ["MAX_CHARACTERS", "CharacterVocab", "WordVocab", "build_word_vocab", "fallback_forms"]

#: Of a longer word the first so many characters are read: a bound on shapes that depends on the word alone.
MAX_CHARACTERS = 64

_DIGIT = re.compile(r"\d")


def fallback_forms(word: str) -> tuple[str, str, str, str]:
    """The forms under which a word is looked for: itself, in NFC, also in lower case, also with digits as 0.

    NFC is Unicode's normal form that writes an accented letter as one character where it can.
    """
    composed = word if word.isascii() else unicodedata.normalize("NFC", word)
    lower = composed.lower()
    return word, composed, lower, _DIGIT.sub("0", lower)


@dataclass(frozen=True)
class WordVocab:
    """The words of one embedding table.

    A word that is not known falls back to the known word that is the same to Unicode (an accent may be a
    character of its own or not), then to one that is equal in lower case as well, then to one that is
    equal in lower case with every digit read as 0; of several, to the first in the table's order (vector
    files stand in the order of frequency).
    """

    words: tuple[str, ...]  # word of row 1, 2, ...
    ignore_case: bool = False
    fall_back: bool = True  # false: no other form of a word is looked for
    more: "WordVocab | None" = None  # comes before the unknown word; its row 1 follows on the last here
    _rows: dict[str, int] = field(init=False, repr=False, compare=False)
    _fallbacks: tuple[dict[str, int], ...] = field(init=False, repr=False, compare=False)  # one for a form

    def __post_init__(self):
        rows = {word: i for i, word in enumerate(self.words, 1)}
        fallbacks: tuple[dict[str, int], ...] = ({}, {}, {})
        for word, row in rows.items():
            _, *forms = fallback_forms(word)
            if forms[-1] == word:  # most words: they are all their forms
                continue
            # A word that is such a form itself is in `rows`, and comes before one that only becomes so.
            for form, known in zip(forms, fallbacks, strict=True):
                if form not in rows:
                    known.setdefault(form, row)
        object.__setattr__(self, "_rows", rows)
        object.__setattr__(self, "_fallbacks", fallbacks)

    @property
    def size(self) -> int:
        """Rows of the table, the unknown word's included."""
        return 1 + len(self.words) + (len(self.more.words) if self.more else 0)

    def row(self, word: str) -> int:
        """The row of a word, of its fall-back, or 0."""
        read = word.lower() if self.ignore_case else word
        row = self._rows.get(read)
        if row:  # most words: no other form is worked out
            return row
        if self.fall_back:
            for form, known in zip(fallback_forms(read)[1:], self._fallbacks, strict=True):
                row = self._rows.get(form) or known.get(form)
                if row:
                    return row
        if self.more is None:
            return 0
        beyond = self.more.row(word)
        return beyond and len(self.words) + beyond

    def rows(self, words: Iterable[str]) -> np.ndarray:
        """(n,) int32 rows of words."""
        return np.array([self.row(word) for word in words], np.int32)

    def as_json(self) -> dict[str, Any]:
        """What a run folder keeps; ``fall_back`` where it is false, ``more`` where there is some."""
        falls_back = {} if self.fall_back else {"fall_back": False}
        more = {} if self.more is None else {"more": self.more.as_json()}
        return {"ignore_case": self.ignore_case, **falls_back, "words": list(self.words), **more}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "WordVocab":
        """The inverse of ``as_json``."""
        more = cls.from_json(data["more"]) if "more" in data else None
        return cls(tuple(data["words"]), data["ignore_case"], data.get("fall_back", True), more)


@dataclass(frozen=True)
class CharacterVocab:
    """The characters of all training data."""

    characters: tuple[str, ...]  # character of row 2, 3, ...
    _rows: np.ndarray = field(init=False, repr=False, compare=False)  # by code point, to the last known one

    def __post_init__(self):
        codes = _code_points("".join(self.characters))
        rows = np.ones(int(codes.max(initial=0)) + 2, np.int32)  # the last entry stands for all beyond
        rows[codes] = np.arange(2, self.size)
        object.__setattr__(self, "_rows", rows)

    @property
    def size(self) -> int:
        """Rows of a character table, "no character" and the unknown one included."""
        return len(self.characters) + 2

    def letters(self, words: Iterable[str], *, fall_back: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the characters of words end to end (C,) int32, and how many each word has (n,).

        A word without characters has one, "no character". One with unknown characters is read in the
        normal form of Unicode that has the fewest of them, unless ``fall_back`` is false.
        """
        words = list(words)
        letters, sizes = self._letters(words)
        unknown = np.repeat(np.arange(len(words)), sizes)[letters == 1]
        if not fall_back or not len(unknown):
            return letters, sizes
        read = words.copy()
        for i in np.unique(unknown):
            forms = (words[i], unicodedata.normalize("NFC", words[i]), unicodedata.normalize("NFD", words[i]))
            read[i] = min(forms, key=self._unknown)
        return (letters, sizes) if read == words else self._letters(read)

    def _unknown(self, word: str) -> int:
        return int(np.sum(self._letters([word])[0] == 1))

    def _letters(self, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        cut = [word[:MAX_CHARACTERS] for word in words]
        lengths = np.array([len(word) for word in cut], np.int32)
        sizes = np.maximum(lengths, 1)
        letters = np.zeros(sizes.sum(), np.int32)
        # All at once: a word at a time takes longer than all else that is done for it here.
        codes = _code_points("".join(cut))
        letters[np.repeat(lengths > 0, sizes)] = self._rows[np.minimum(codes, len(self._rows) - 1)]
        return letters, sizes


def _code_points(text: str) -> np.ndarray:
    """(n,) uint32."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def build_word_vocab(
    counts: Mapping[str, int], vectors: Vectors | None, *, ignore_case: bool, keep_file: bool
) -> tuple[WordVocab, tuple[np.ndarray, np.ndarray] | None]:
    """The table's words: those of the vector file in its order, then the training words that it lacks.

    Args:
        counts: training words and how often each occurs.
        vectors: of the vector file, or None.
        ignore_case: whether words that differ in case alone are one word.
        keep_file: whether words that only the file has are kept, so that a sentence to tag may use them.

    Returns:
        The vocabulary, and the rows (k,) int that have a vector with those vectors (k, d) float32. A
        training word that the file lacks starts from the vector that it falls back to.
    """
    normal = str.lower if ignore_case else str
    training = Counter()
    for word, count in counts.items():
        training[normal(word)] += count
    words: dict[str, None] = {}
    if vectors is not None and keep_file:
        words.update(dict.fromkeys(map(normal, vectors.words)))
    words.update(dict.fromkeys(sorted(training, key=lambda word: (-training[word], word))))
    vocab = WordVocab(tuple(words), ignore_case)
    if vectors is None:
        return vocab, None
    file = WordVocab(tuple(vectors.words))
    sources = file.rows(vocab.words)
    rows = np.flatnonzero(sources)
    return vocab, (rows + 1, vectors.matrix[sources[rows] - 1])
