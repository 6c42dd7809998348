"""Input for a trained run that is not like the run's training file."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from mlmt_jax.check.wrong_columns import FEWEST_LETTERS, odd_tokens
from mlmt_jax.text.column_guess import SPAN_TAG
from mlmt_jax.text.columns import split_columns
from mlmt_jax.text.findings import Finding, shown

__all__ = ["Rows", "find_foreign_letters", "find_other_layout"]

# Of fewer words nothing can be said.
_FEWEST_WORDS = 4
# A line of running text has more cells than that, on average; of columns there often are two.
_FEWEST_CELLS = 3
_MARKS = ",;|"  # which may part columns, beside white space


class Rows(NamedTuple):
    """A sentence as it was read."""

    lines: Sequence[str]  # those that carry a token
    tokens: Sequence[str]  # one a line


def find_other_layout(path: str, sentences: Sequence[Rows]) -> Finding | None:
    """What is odd about the tokens, if anything is.

    Args:
        path: the file.
        sentences: its first ones, or all.
    """
    sentences = [sentence for sentence in sentences if sentence.tokens]
    lines = [line for sentence in sentences for line in sentence.lines]
    tokens = [token for sentence in sentences for token in sentence.tokens]
    advice = "--token-col and --separator choose others"
    if _is_text(lines, one_a_sentence=len(lines) == len(sentences)):
        text = "looks like running text: one token was taken from each line"
        advice = "--input text reads a sentence a line"
    elif len(tokens) > 1 and all(any(map(str.isspace, token)) for token in tokens):
        text = "every token holds a space, a tab or the like"
        advice = f"if columns are parted by it, {advice}"
    elif len(tokens) >= _FEWEST_WORDS and (mark := _mark_between(tokens)):
        text = f"nearly every token holds {mark!r}"
        advice = "if columns are parted by it, write tabs: --separator knows these and spaces alone"
    elif len(tokens) >= _FEWEST_WORDS and (odd := odd_tokens([one.tokens for one in sentences])):
        text, advice = f"the tokens {odd.text}", odd.remedy or advice
    else:
        return None
    example = repr(tokens[0])
    return Finding(path, None, text, example=example, advice=f"they were tagged as they stand; {advice}")


def find_foreign_letters(path: str, sentences: Sequence[Rows], known: frozenset[str]) -> Finding | None:
    """Whether most letters are new to a run, as those of another language, or read in a wrong encoding, are.

    Args:
        path: the file.
        sentences: its first ones, or all.
        known: the characters that the run knows.
    """
    letters = Counter(
        char for sentence in sentences for token in sentence.tokens for char in token if char.isalpha()
    )
    unknown = [char for char, _ in letters.most_common() if known.isdisjoint(_forms(char))]
    count, total = sum(letters[char] for char in unknown), letters.total()
    if total < FEWEST_LETTERS or 2 * count <= total:
        return None
    text = f"{count / total:.0%} of the letters are not in the training data: {shown(unknown)}"
    return Finding(path, None, text, advice="the tags are worth little; another language, or encoding?")


def _forms(char: str) -> set[str]:
    """A letter in both cases, and without its accents."""
    return {char, char.lower(), char.upper(), *unicodedata.normalize("NFD", char)}


def _mark_between(tokens: Sequence[str]) -> str | None:
    """A mark inside nearly every token, a comma perhaps, as where it parts columns."""
    for mark in _MARKS:
        if sum(mark in token[1:-1] for token in tokens) > 0.9 * len(tokens):
            return mark
    return None


def _is_text(lines: Sequence[str], *, one_a_sentence: bool) -> bool:
    rows = [split_columns(line, " ") for line in lines if "\t" not in line]
    widths = [len(row) for row in rows]
    cells = [cell for row in rows for cell in row]
    return (
        0 < len(rows) == len(lines)
        and len(cells) > _FEWEST_CELLS * len(rows)
        and (one_a_sentence or len(set(widths)) > 1)
        and not any(map(SPAN_TAG.fullmatch, cells))
    )
