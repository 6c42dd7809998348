"""From examples to indices, in the vocabulary of one task model."""

from collections.abc import Iterable, Sequence

import numpy as np

from mlmt_jax.data.assembly import Encoded
from mlmt_jax.data.corpus import Vocabulary
from mlmt_jax.data.dataset import Example

__all__ = ["encode", "encode_sentences", "encode_tags", "encode_tokens"]


def encode(vocabulary: Vocabulary, word_embed: str, task: str, examples: Iterable[Example]) -> list[Encoded]:
    """Encodes examples for a task model.

    Args:
        vocabulary: of the run.
        word_embed: the embedding component that the task model uses.
        task: the task whose tags count; a tag that it does not know becomes -1.
        examples: sentences with their tags.
    """
    examples = list(examples)
    tags = encode_tags(vocabulary.tags[task], [example.tags for example in examples])
    return [
        encode_tokens(vocabulary, word_embed, example.tokens)._replace(tags=own)
        for example, own in zip(examples, tags, strict=True)
    ]


def encode_tags(names: Sequence[str], sentences: Iterable[Sequence[str]]) -> list[np.ndarray]:
    """(n,) int32 of each sentence, the places of its tags among ``names``; -1 for one that is not there."""
    index = {tag: i for i, tag in enumerate(names)}
    return [np.array([index.get(tag, -1) for tag in tags], np.int32) for tags in sentences]


def encode_tokens(vocabulary: Vocabulary, word_embed: str, tokens: Sequence[str]) -> Encoded:
    """Encodes one sentence without tags (all 0)."""
    return Encoded(
        words=vocabulary.words[word_embed].rows(tokens),
        chars=vocabulary.characters.rows(tokens),
        tags=np.zeros(len(tokens), np.int32),
    )


def encode_sentences(
    vocabulary: Vocabulary, word_embed: str, sentences: Iterable[Sequence[str]]
) -> list[Encoded]:
    """Encodes tokenised sentences without tags (all 0).

    Raises:
        TypeError: a sentence that is a string.
    """
    sentences = list(sentences)
    for tokens in sentences:
        if isinstance(tokens, str):  # a sequence as well, of letters
            raise TypeError(f"got the sentence {tokens[:40]!r}; expected a list of its tokens")
    return [encode_tokens(vocabulary, word_embed, tokens) for tokens in sentences]
