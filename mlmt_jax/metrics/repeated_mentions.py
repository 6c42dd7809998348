"""A baseline that repeats the mentions of the training sentences: what a trained tagger must exceed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from mlmt_jax.metrics.scores import Tags
from mlmt_jax.metrics.spans import OUTSIDE, Scheme, Span, span_tags, strict_spans

#: The words and the tags of a sentence.
LabelledSentence = tuple[Sequence[str], Tags]


def repeat_mentions(
    training: Iterable[LabelledSentence], sentences: Iterable[Sequence[str]], scheme: Scheme
) -> list[list[str]]:
    """Tag the words of sentences as in the training sentences.

    Spans: from left to right, the longest sequence of words that is a span in the training sentences gets its
    most frequent type. Scheme ``none``: a word gets its most frequent tag; a new word gets the most frequent
    tag of all. Case matters, and the first of two equally frequent ones is taken.

    Args:
        training: words and tags, in the scheme.
        sentences: the words of each sentence to tag.
        scheme: the scheme of all tags.
    """
    if scheme == "none":
        return _repeat_tags(training, sentences)
    types: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for words, tags in training:
        for span in strict_spans(tags, scheme):
            types[tuple(words[span.first : span.last + 1])][span.type] += 1
    longest = max(map(len, types), default=0)
    tagged = []
    for words in sentences:
        spans, first = [], 0
        while first < len(words):
            ends = range(min(first + longest, len(words)), first, -1)
            end = next((end for end in ends if tuple(words[first:end]) in types), None)
            if end is not None:
                [(kind, _)] = types[tuple(words[first:end])].most_common(1)
                spans.append(Span(kind, first, end - 1))
            first = first + 1 if end is None else end
        tagged.append(span_tags(spans, len(words), scheme))
    return tagged


def _repeat_tags(training: Iterable[LabelledSentence], sentences: Iterable[Sequence[str]]) -> list[list[str]]:
    """Tag every word with its most frequent tag, new words with the most frequent tag of all."""
    by_word: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for words, tags in training:
        for word, tag in zip(words, tags, strict=True):
            by_word[word][tag] += 1
    frequent = {word: counts.most_common(1)[0][0] for word, counts in by_word.items()}
    total = sum(by_word.values(), Counter[str]())
    most = total.most_common(1)[0][0] if total else OUTSIDE
    return [[frequent.get(word, most) for word in words] for words in sentences]
