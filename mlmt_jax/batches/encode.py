"""From examples to indices, in the vocabulary of one task model."""

from collections.abc import Iterable, Sequence

import numpy as np

from mlmt_jax.batches.packing import Contents
from mlmt_jax.corpus.corpora import Vocabulary
from mlmt_jax.text.columns import Sentence

__all__ = ["encode", "encode_sentences", "encode_tags"]


def encode(vocabulary: Vocabulary, word_embed: str, task: str, examples: Iterable[Sentence]) -> Contents:
    """Encodes examples for a task model.

    Args:
        vocabulary: of the run.
        word_embed: the embedding component that the task model uses.
        task: the task whose tags count; a tag that it does not know becomes -1.
        examples: sentences with their tags.
    """
    examples = list(examples)
    contents = encode_sentences(vocabulary, word_embed, [example.tokens for example in examples])
    tags = [tag for example in examples for tag in example.tags]
    return contents._replace(tags=encode_tags(vocabulary.tags[task], tags))


def encode_tags(names: Sequence[str], tags: Iterable[str]) -> np.ndarray:
    """(n,) int32, the places of tags among ``names``; -1 for one that is not there."""
    index = {tag: i for i, tag in enumerate(names)}
    return np.array([index.get(tag, -1) for tag in tags], np.int32)


def encode_sentences(vocabulary: Vocabulary, word_embed: str, sentences: Iterable[Sequence[str]]) -> Contents:
    """Encodes tokenised sentences without tags (all 0).

    Raises:
        TypeError: a sentence that is a string, or a token that is none.
    """
    distinct: dict[str, int] = {}
    tokens: list[int] = []
    lengths = []
    for sentence in sentences:
        if isinstance(sentence, str):  # a sequence as well, of letters
            raise TypeError(f"got the sentence {sentence[:40]!r}; expected a list of its tokens")
        tokens += [distinct.setdefault(token, len(distinct)) for token in sentence]
        lengths.append(len(sentence))
    wrong = [token for token in distinct if not isinstance(token, str)]
    if wrong:
        raise TypeError(f"got the token {wrong[0]!r}; expected a string")
    known = vocabulary.words[word_embed]
    rows, words = np.unique(known.rows(distinct), return_inverse=True)
    letters, sizes = vocabulary.characters.letters(distinct, fall_back=known.fall_back)
    return Contents(
        lengths=np.array(lengths, np.int32),
        rows=rows,
        words=words,
        letters=letters,
        sizes=sizes,
        tokens=np.array(tokens, np.int32),
        tags=np.zeros(len(tokens), np.int32),
    )
