"""From encoded sentences to batches of given shapes."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mlmt_jax.batches.shapes import Shape
from mlmt_jax.types import Batch, Sentences, Words

__all__ = [
    "Contents",
    "Encoded",
    "Needs",
    "apart",
    "assemble",
    "collect",
    "pack_sentences",
    "pack_words",
    "together",
]


class Encoded(NamedTuple):
    """One sentence of n words as indices."""

    words: np.ndarray  # (n,) int32
    chars: np.ndarray  # (n, c) int32, 0 behind a word's last character
    tags: np.ndarray  # (n,) int32, -1 for a tag the task does not know


class Needs(NamedTuple):
    """What a batch must have room for."""

    lengths: np.ndarray  # words of its sentences, descending
    distinct: int  # distinct words
    letters: int  # characters of these

    def shape(self, parts: int = 1) -> Shape:
        """The least shape of a batch that is dealt out to so many parts (``assemble``)."""
        own = self.lengths[::parts]  # the longest sentence of each place in any part
        # Behind the last word there is room for one more of each sentence: so far windows reach.
        packed = int(own.sum()) + len(own)
        return Shape(int(self.lengths.max(initial=0)), packed, self.distinct, self.letters)


def together(several: Sequence[Needs]) -> Needs:
    """Room for any of them."""
    lengths, distinct, letters = zip(*several, strict=True)
    full = np.zeros((len(several), max(map(len, lengths))), np.int32)
    for own, values in zip(full, lengths, strict=True):
        own[: len(values)] = values
    return Needs(full.max(0), max(distinct), max(letters))


class Contents(NamedTuple):
    """What some sentences hold, before it is padded. T words in the order of the sentences."""

    lengths: np.ndarray  # words of each sentence
    rows: np.ndarray  # as in Words
    words: np.ndarray  # as in Words
    letters: np.ndarray  # characters of the distinct words, end to end
    sizes: np.ndarray  # characters of each distinct word
    tokens: np.ndarray  # (T,) index of the distinct word
    tags: np.ndarray  # (T,)

    @property
    def bounds(self) -> list[tuple[int, int]]:
        """Where the words of each sentence begin and end."""
        return list(pairwise([0, *np.cumsum(self.lengths).tolist()]))

    def needs(self, rows: int) -> Needs:
        """Of a batch of so many sentences, most of which are these."""
        lengths = np.zeros(rows, np.int32)
        lengths[: len(self.lengths)] = np.sort(self.lengths)[::-1]
        return Needs(lengths, len(self.words), len(self.letters))


def apart(contents: Contents) -> list[Encoded]:
    """The sentences: the inverse of ``collect``, but for the order of the distinct words."""
    sizes, words = contents.sizes, contents.rows[contents.words]
    chars = np.zeros((len(sizes), int(sizes.max(initial=0))), np.int32)
    chars[np.arange(chars.shape[1]) < sizes[:, None]] = contents.letters
    sentences = []
    for start, end in contents.bounds:
        own = contents.tokens[start:end]
        width = int(sizes[own].max(initial=0))
        sentences.append(Encoded(words[own], chars[:, :width][own], contents.tags[start:end]))
    return sentences


def collect(sentences: Sequence[Encoded]) -> Contents:
    """What some sentences hold, every distinct word once."""
    lengths = np.array([len(s.words) for s in sentences], np.int32)
    most = max((s.chars.shape[1] for s in sentences), default=0)
    found = np.zeros((int(lengths.sum()), 1 + most), np.int32)  # row of the table and characters of each word
    first = 0
    for sentence in sentences:
        words, characters = sentence.chars.shape
        own = found[first : first + words]
        own[:, 0], own[:, 1 : 1 + characters] = sentence.words, sentence.chars
        first += words
    # As bytes, whole lines are compared at once.
    lines = found.view(np.dtype((np.void, found.dtype.itemsize * found.shape[1])))[:, 0]
    _, chosen, tokens = np.unique(lines, return_index=True, return_inverse=True)
    rows, words = np.unique(found[chosen, 0], return_inverse=True)
    chars = np.pad(found[chosen, 1:], [(0, 0), (0, max(0, 1 - most))])
    # A word without characters has one that says so.
    sizes = np.maximum(np.sum(chars > 0, 1), 1)
    letters = chars[np.arange(chars.shape[1]) < sizes[:, None]]
    tags = np.concatenate([s.tags for s in sentences]) if sentences else np.zeros(0, np.int32)
    return Contents(lengths, rows, words, letters, sizes, tokens, tags)


def assemble(
    contents: Contents, rows: int, shape: Shape, room: np.ndarray | None = None, parts: int | None = None
) -> Batch:
    """One batch of ``rows`` sentences; those left over have length 0.

    Args:
        contents: of the sentences.
        rows: sentences of the batch.
        shape: at least what is needed.
        room: words for which packed words have room, from the longest sentence to the shortest; not less
            than these have. Batches of one room can be stepped side by side.
        parts: into how many parts the sentences are dealt out, for as many devices; it divides ``rows``.
            Arrays that belong to sentences or packed words then have a leading axis of parts.
    """
    n, packed, distinct, letters = shape
    own = contents.lengths, contents.tokens, contents.tags
    tokens, sentences = pack_sentences(*own, rows, n, packed, room, parts)
    return Batch(*pack_words(contents, distinct, letters), tokens, *sentences)


def pack_words(contents: Contents, distinct: int, letters: int) -> Words:
    """The distinct words, with room for as many and for so many characters."""
    owners = np.repeat(np.arange(len(contents.sizes)), contents.sizes)
    return Words(
        rows=_padded(contents.rows, distinct),
        words=_padded(contents.words, distinct),
        chars=_padded(contents.letters, letters),
        owners=_padded(owners, letters, distinct - 1),
        ends=_padded(np.cumsum(contents.sizes), distinct),
    )


def pack_sentences(
    own_lengths: np.ndarray,
    own_tokens: np.ndarray,
    own_tags: np.ndarray,
    rows: int,
    n: int,
    packed: int,
    room: np.ndarray | None = None,
    parts: int | None = None,
) -> tuple[np.ndarray, Sentences]:
    """``tokens`` as in ``Batch``, and the sentences.

    Args:
        own_lengths, own_tokens, own_tags: as in ``Contents``.
        rows, room, parts: as in ``assemble``.
        n, packed: words and packed words of the ``Shape``.
    """
    lengths = np.zeros(rows, np.int32)
    lengths[: len(own_lengths)] = own_lengths
    inside = np.arange(n) < lengths[:, None]
    tags, index = np.zeros((2, rows, n), np.int32)
    tags[inside], index[inside] = own_tags, own_tokens
    order = np.argsort(-lengths, kind="stable")
    room = (lengths[order] if room is None else room)[:: parts or 1]
    starts = np.concatenate([[0], np.cumsum(np.sum(room > np.arange(n)[:, None], 1))]).astype(np.int32)
    dealt = [order[part :: parts or 1] for part in range(parts or 1)]
    packs = [_pack(own, lengths[own], index[own], starts, packed) for own in dealt]
    if parts is None:
        [pack] = packs
        tokens, places, back, position = *pack[:3], pack[3][np.argsort(order)]
    else:
        tokens, places, back, position = map(np.stack, zip(*packs, strict=True))
        lengths, tags = lengths[np.array(dealt)], tags[np.array(dealt)]
    return tokens, Sentences(places, back, starts, position, lengths, tags)


def _pack(
    sentences: np.ndarray, lengths: np.ndarray, index: np.ndarray, starts: np.ndarray, packed: int
) -> tuple[np.ndarray, ...]:
    """tokens, places, back and position of sentences in descending order of their lengths."""
    sentence, word = np.nonzero(np.arange(index.shape[1]) < lengths[:, None])
    at = starts[word] + sentence
    tokens, places = np.zeros(packed, np.int32), np.zeros(packed, np.uint32)
    back, position = np.arange(packed, dtype=np.int32), np.full(index.shape, packed, np.int32)
    tokens[at] = index[sentence, word]
    places[at] = (sentences[sentence] << 16) + word
    back[at] = starts[lengths[sentence] - 1 - word] + sentence
    position[sentence, word] = at
    return tokens, places, back, position


def _padded(values: np.ndarray, size: int, fill: int = 0) -> np.ndarray:
    full = np.full(size, fill, np.int32)
    full[: len(values)] = values
    return full
