"""Input for a trained run that is not like the run's training file."""

import unicodedata
from collections import Counter
from collections.abc import Sequence

from mlmt_jax.check.wrong_columns import FEWEST_LETTERS, odd_tokens
from mlmt_jax.text.column_guess import SPAN_TAG
from mlmt_jax.text.columns import split_columns
from mlmt_jax.text.findings import Findings, join_examples

# Of fewer words nothing can be said.
_FEWEST_WORDS = 4
# A line of running text has more cells than that, on average; of columns there often are two.
_FEWEST_CELLS = 3
_MARKS = ",;|"  # which may part columns, beside white space


def find_other_layout(
    findings: Findings, sentences: Sequence[Sequence[str]], lines: Sequence[str] = ()
) -> None:
    """Note what is odd about the tokens of a file, if anything is.

    Args:
        findings: of the file, to be added to.
        sentences: the tokens of its first sentences, or of all.
        lines: the line of each token; without them, running text is not recognised.
    """
    sentences = [sentence for sentence in sentences if sentence]
    tokens = [token for sentence in sentences for token in sentence]
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
    elif len(tokens) >= _FEWEST_WORDS and (odd := odd_tokens(sentences)):
        text, advice = f"the tokens {odd.text}", odd.remedy or advice
    else:
        return
    findings.note(text, example=repr(tokens[0]), advice=f"they were tagged as they stand; {advice}")


def find_foreign_letters(
    findings: Findings, sentences: Sequence[Sequence[str]], known: frozenset[str]
) -> None:
    """Note if most letters of a file are new to a run: another language, or a wrong encoding.

    Args:
        findings: of the file, to be added to.
        sentences: the tokens of its first sentences, or of all.
        known: the characters that the run knows.
    """
    letters = Counter(
        char for sentence in sentences for token in sentence for char in token if char.isalpha()
    )
    unknown = [char for char, _ in letters.most_common() if known.isdisjoint(_forms(char))]
    count, total = sum(letters[char] for char in unknown), letters.total()
    if total < FEWEST_LETTERS or 2 * count <= total:
        return
    text = f"{count / total:.0%} of the letters are not in the training data: {join_examples(unknown)}"
    findings.note(text, advice="the tags are worth little; another language, or encoding?")


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
