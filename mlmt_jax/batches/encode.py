"""Encoding of tokens and tags in the vocabulary of one task model."""

from collections.abc import Iterable, Sequence

import numpy as np

from mlmt_jax.batches.encoded_sentences import EncodedSentences, distinct_words
from mlmt_jax.corpus.vocabulary import Vocabulary
from mlmt_jax.text.columns import Sentence


def encode(
    vocabulary: Vocabulary, word_embed: str, task: str, sentences: Iterable[Sentence]
) -> EncodedSentences:
    """Encode labelled sentences for a task model.

    Args:
        vocabulary: the run's vocabulary.
        word_embed: the task model's embedding component.
        task: the task whose tag names are used; a tag that it lacks becomes -1.
        sentences: sentences with their tags.
    """
    sentences = list(sentences)
    encoded = encode_sentences(vocabulary, word_embed, [sentence.tokens for sentence in sentences])
    tags = [tag for sentence in sentences for tag in sentence.tags]
    return encoded._replace(tags=encode_tags(vocabulary.tags[task], tags))


def encode_tags(names: Sequence[str], tags: Iterable[str]) -> np.ndarray:
    """Return the index of each tag in ``names``, (T,) int32; -1 for a tag that is not in it."""
    index = {tag: i for i, tag in enumerate(names)}
    return np.array([index.get(tag, -1) for tag in tags], np.int32)


def encode_sentences(
    vocabulary: Vocabulary, word_embed: str, sentences: Iterable[Sequence[str]]
) -> EncodedSentences:
    """Encode tokenised sentences without tags: all tags are 0.

    Raises:
        TypeError: if a sentence is a string, or a token is not one.
    """
    ids: dict[str, int] = {}
    word_ids: list[int] = []
    lengths = []
    for sentence in sentences:
        if isinstance(sentence, str):  # a sequence as well, of letters
            raise TypeError(f"got the sentence {sentence[:40]!r}; expected a list of its tokens")
        word_ids += [ids.setdefault(token, len(ids)) for token in sentence]
        lengths.append(len(sentence))
    for token in ids:
        if not isinstance(token, str):
            raise TypeError(f"got the token {token!r}; expected a string")
    word_vocabulary = vocabulary.words[word_embed]
    chars, sizes = vocabulary.characters.rows(ids, fall_back=word_vocabulary.fall_back)
    return EncodedSentences(
        distinct_words(word_vocabulary.rows(ids), chars, sizes),
        np.array(lengths, np.int32),
        np.array(word_ids, np.int32),
        np.zeros(len(word_ids), np.int32),
    )
