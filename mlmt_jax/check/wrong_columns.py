"""Columns that do not hold what the config says: tags that look like words, tokens that look like tags."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from mlmt_jax.check.scan import Scan
from mlmt_jax.errors import DataError
from mlmt_jax.text.charsets import WHERE_TO_SET
from mlmt_jax.text.column_guess import SPAN_TAG, are_counts, are_numbers, guess_format
from mlmt_jax.text.columns import ColumnFormat
from mlmt_jax.text.findings import Finding

__all__ = ["FEWEST_LETTERS", "Oddity", "find_wrong_columns", "odd_tokens"]

#: Of fewer letters nothing can be said.
FEWEST_LETTERS = 20

# No tag set of words is that large and so varied; with fewer tags nothing can be said.
_FEWEST_TAGS = 30
_TAGS_PER_WORD = 0.5
_FEWEST_WORDS = 20

# ``af:Jan``, as WikiANN has it.
_LANGUAGE = re.compile(r"([a-z]{2,3}(?:[-_][a-z-]+)?:).+", re.DOTALL | re.IGNORECASE)


def find_wrong_columns(scan: Scan, form: ColumnFormat, *, are_spans: bool) -> list[Finding]:
    """At most one finding about the tokens of a file, and one about its tags.

    Args:
        scan: the file.
        form: its columns.
        are_spans: whether its data set has span tags, which are what they look like.
    """
    sentences = scan.sentences
    tokens = {token for sentence in sentences for token in sentence.tokens}
    tags = {tag for sentence in sentences for tag in sentence.tags}
    words = sum(len(sentence.tokens) for sentence in sentences)
    findings = []
    odd = odd_tokens([sentence.tokens for sentence in sentences]) if words >= _FEWEST_WORDS else None
    if odd:
        text = f"the tokens (token_col {form.token_col}) {odd.text}"
        findings.append(_finding(scan, form, text, sentences[0].tokens[0], words, odd.remedy))
    odd_tags = _odd_tags(tokens, tags) if words >= _FEWEST_WORDS and not are_spans else None
    if odd_tags:
        text = f"the tags (label_col {form.label_col}) {odd_tags}"
        findings.append(_finding(scan, form, text, sentences[0].tags[0], words))
    return findings


class Oddity(NamedTuple):
    """What tokens do that those of a language do not."""

    text: str
    remedy: str = ""  # where it is not another column


def odd_tokens(sentences: Sequence[Sequence[str]]) -> Oddity | None:
    """What is odd about the tokens of sentences, if anything is."""
    if are_counts(sentences):
        return Oddity("count the words of each sentence")
    tokens = {token for sentence in sentences for token in sentence}
    if not any(char.isalpha() for token in tokens for char in token):
        return Oddity("have no letters")
    longer = [set(sentence) for sentence in sentences if len(sentence) > 1]
    if len(longer) > 1 and all(len(own) == 1 for own in longer):
        return Oddity("are the same for all words of each sentence")
    if len(tokens) > 1 and all(map(SPAN_TAG.fullmatch, tokens)):
        return Oddity("look like tags")
    languages = {found and found[1] for found in map(_LANGUAGE.fullmatch, tokens)}
    if len(tokens) > 1 and len(languages) == 1 and (language := languages.pop()):
        return Oddity(f"all begin with {language!r}", "take it off, unless all other data has it")
    letters = [char for token in tokens for char in token if char.isalpha()]
    accented = sum("\xc0" <= char <= "\xff" for char in letters)
    if len(letters) >= FEWEST_LETTERS and 2 * accented > len(letters):
        remedy = f"give the encoding {WHERE_TO_SET} if they should be of another script"
        return Oddity("are mostly of letters from À to ÿ", remedy)
    return None


def _odd_tags(tokens: set[str], tags: set[str]) -> str | None:
    if len(tags) == 1:
        return "are the same for all words"
    if are_numbers(tags):
        return "are numbers"
    if len(tags) > _FEWEST_TAGS and len(tags) > _TAGS_PER_WORD * len(tokens):
        return f"look like words: {len(tags)} different ones for {len(tokens)} different tokens"
    return None


def _finding(
    scan: Scan, form: ColumnFormat, text: str, example: str, words: int, remedy: str = ""
) -> Finding:
    advice = "training learns them as they stand" + (f"; {remedy}" if remedy else "")
    try:
        guess = guess_format(scan.path, form.encoding)
    except DataError:  # told already
        guess = form
    if (guess.token_col, guess.label_col) != (form.token_col, form.label_col):
        advice += f"; the file looks like token_col {guess.token_col}, label_col {guess.label_col}"
    return Finding(scan.path, scan.sentences[0].line, text, words, example=repr(example), advice=advice)
