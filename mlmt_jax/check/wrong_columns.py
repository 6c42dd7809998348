"""Columns that do not hold what the config says: tags that look like words, tokens that look like tags."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mlmt_jax.check.scan import Scan
from mlmt_jax.errors import DataError
from mlmt_jax.text.charsets import WHERE_TO_SET
from mlmt_jax.text.column_guess import SPAN_TAG, are_counts, are_numbers, guess_format
from mlmt_jax.text.columns import ColumnFormat
from mlmt_jax.text.findings import Finding

MIN_LETTERS = 20  # of fewer letters nothing is said
_MIN_WORDS = 20  # of fewer words nothing is said
# No tag set of words is so large and varied; of fewer tags nothing is said.
_MIN_TAGS = 30
_TAGS_PER_WORD = 0.5

# ``af:Jan``, as in WikiANN.
_LANGUAGE = re.compile(r"([a-z]{2,3}(?:[-_][a-z-]+)?:).+", re.DOTALL | re.IGNORECASE)


def find_wrong_columns(scan: Scan, form: ColumnFormat, *, are_spans: bool) -> Iterator[Finding]:
    """Yield a finding if the tokens of a file look wrong, and one if its tags do.

    Args:
        scan: the file.
        form: its columns.
        are_spans: whether its data set has span tags, which are recognised and therefore right.
    """
    sentences = [sentence.tokens for sentence in scan.sentences]
    words = sum(map(len, sentences))
    if words < _MIN_WORDS:
        return
    first = scan.sentences[0]
    tokens = {token for sentence in sentences for token in sentence}
    odd_tags = None if are_spans else _odd_tags(tokens, {tag for s in scan.sentences for tag in s.tags})
    for name, oddity, cell in (
        (f"tokens (token_col {form.token_col})", odd_tokens(sentences), first.tokens[0]),
        (f"tags (label_col {form.label_col})", odd_tags, first.tags[0]),
    ):
        if oddity:
            text, advice = f"the {name} {oddity.text}", _advice(scan, form, oddity)
            yield Finding(scan.path, first.line, text, words, None, repr(cell), advice)


class Oddity(NamedTuple):
    """A property that the tokens or tags of a language do not have."""

    text: str  # the predicate of a sentence about the tokens
    remedy: str = ""  # empty if the remedy is to choose another column


def odd_tokens(sentences: Sequence[Sequence[str]]) -> Oddity | None:
    """Return what is odd about the tokens of sentences, or None."""
    if are_counts(sentences):
        return Oddity("count the words of each sentence")
    tokens = {token for sentence in sentences for token in sentence}
    if not any(char.isalpha() for token in tokens for char in token):
        return Oddity("have no letters")
    longer = [set(sentence) for sentence in sentences if len(sentence) > 1]
    if len(longer) > 1 and all(len(distinct) == 1 for distinct in longer):
        return Oddity("are the same for all words of each sentence")
    if len(tokens) > 1 and all(map(SPAN_TAG.fullmatch, tokens)):
        return Oddity("look like tags")
    languages = {match and match[1] for match in map(_LANGUAGE.fullmatch, tokens)}
    if len(tokens) > 1 and len(languages) == 1 and (language := languages.pop()):
        return Oddity(f"all begin with {language!r}", "take it off, unless all other data has it")
    letters = [char for token in tokens for char in token if char.isalpha()]
    accented = sum("\xc0" <= char <= "\xff" for char in letters)
    if len(letters) >= MIN_LETTERS and 2 * accented > len(letters):
        remedy = f"give the encoding {WHERE_TO_SET} if they should be of another script"
        return Oddity("are mostly of letters from À to ÿ", remedy)
    return None


def _odd_tags(tokens: set[str], tags: set[str]) -> Oddity | None:
    """Return what is odd about the distinct tags of a file with these distinct tokens, or None."""
    if len(tags) == 1:
        return Oddity("are the same for all words")
    if are_numbers(tags):
        return Oddity("are numbers")
    if len(tags) > _MIN_TAGS and len(tags) > _TAGS_PER_WORD * len(tokens):
        return Oddity(f"look like words: {len(tags)} different ones for {len(tokens)} different tokens")
    return None


def _advice(scan: Scan, form: ColumnFormat, oddity: Oddity) -> str:
    """Return the advice of a finding: the consequence, the remedy if there is one, and the likely columns.

    The columns are guessed from the file, which is read again. They are left out if the guess fails or agrees
    with ``form``.
    """
    advice = "training uses them as they are" + (f"; {oddity.remedy}" if oddity.remedy else "")
    try:
        guess = guess_format(scan.path, form.encoding)
    except DataError:  # the reader has a finding about it
        return advice
    if (guess.token_col, guess.label_col) != (form.token_col, form.label_col):
        advice += f"; the file looks like token_col {guess.token_col}, label_col {guess.label_col}"
    return advice
