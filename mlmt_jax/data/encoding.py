"""From examples to indices, in the vocabulary of one task model."""

from collections.abc import Iterable, Sequence

import numpy as np

from mlmt_jax.data.assembly import Encoded
from mlmt_jax.data.corpus import Vocabulary
from mlmt_jax.data.dataset import Example

__all__ = ["encode", "encode_sentences", "encode_tags"]


def encode(vocabulary: Vocabulary, word_embed: str, task: str, examples: Iterable[Example]) -> list[Encoded]:
    """Encodes examples for a task model.

    Args:
        vocabulary: of the run.
        word_embed: the embedding component that the task model uses.
        task: the task whose tags count; a tag that it does not know becomes -1.
        examples: sentences with their tags.
    """
    examples = list(examples)
    encoded = encode_sentences(vocabulary, word_embed, [example.tokens for example in examples])
    tags = encode_tags(vocabulary.tags[task], [example.tags for example in examples])
    return [sentence._replace(tags=own) for sentence, own in zip(encoded, tags, strict=True)]


def encode_tags(names: Sequence[str], sentences: Iterable[Sequence[str]]) -> list[np.ndarray]:
    """(n,) int32 of each sentence, the places of its tags among ``names``; -1 for one that is not there."""
    index = {tag: i for i, tag in enumerate(names)}
    return [np.array([index.get(tag, -1) for tag in tags], np.int32) for tags in sentences]


def encode_sentences(
    vocabulary: Vocabulary, word_embed: str, sentences: Iterable[Sequence[str]]
) -> list[Encoded]:
    """Encodes tokenised sentences without tags (all 0).

    Raises:
        TypeError: a sentence that is a string.
    """
    sentences = list(sentences)
    distinct: dict[str, int] = {}  # each word is looked up once
    places = []
    for tokens in sentences:
        if isinstance(tokens, str):  # a sequence as well, of letters
            raise TypeError(f"got the sentence {tokens[:40]!r}; expected a list of its tokens")
        places.append(np.array([distinct.setdefault(token, len(distinct)) for token in tokens], np.int32))
    words, chars = vocabulary.words[word_embed].rows(distinct), vocabulary.characters.rows(list(distinct))
    widths = np.count_nonzero(chars, 1)
    encoded = []
    for own in places:
        width = int(widths[own].max(initial=0))
        encoded.append(Encoded(words[own], chars[:, :width][own], np.zeros(len(own), np.int32)))
    return encoded
