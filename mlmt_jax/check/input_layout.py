"""Input of a trained run whose layout, letters or tags differ from the run's training file."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from mlmt_jax.check.wrong_columns import MIN_LETTERS, odd_tokens
from mlmt_jax.metrics.spans import OUTSIDE, split_tag
from mlmt_jax.text.column_guess import SPAN_TAG
from mlmt_jax.text.columns import Sentence, split_columns
from mlmt_jax.text.findings import Findings, join_examples

if TYPE_CHECKING:
    from mlmt_jax.training.split_scores import TaskTags

_MIN_WORDS = 4  # of fewer words nothing is said
_MIN_CELLS = 3  # a line of running text has more cells on average; column files often have two
_MARKS = ",;|"  # possible separators of columns, beside white space


def find_other_layout(
    findings: Findings, sentences: Sequence[Sequence[str]], lines: Sequence[str] = ()
) -> None:
    """Note that the tokens of a file look like running text, like several columns, or like another column.

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
        advice = f"if it separates columns, {advice}"
    elif len(tokens) >= _MIN_WORDS and (mark := _inner_mark(tokens)):
        text = f"nearly every token holds {mark!r}"
        advice = "if it separates columns, write tabs: --separator accepts tabs and spaces only"
    elif len(tokens) >= _MIN_WORDS and (odd := odd_tokens(sentences)):
        text, advice = f"the tokens {odd.text}", odd.remedy or advice
    else:
        return
    findings.note(text, example=repr(tokens[0]), advice=f"they were tagged as they are; {advice}")


def find_foreign_letters(
    findings: Findings, sentences: Sequence[Sequence[str]], known: frozenset[str]
) -> None:
    """Note if most letters of a file are new to a run: another language, or a wrong encoding.

    Args:
        findings: of the file, to be added to.
        sentences: the tokens of its first sentences, or of all.
        known: the characters of the training data.
    """
    words = (word for sentence in sentences for word in sentence)
    letters = Counter(filter(str.isalpha, chain.from_iterable(words)))
    unknown = [char for char, _ in letters.most_common() if known.isdisjoint(_forms(char))]
    count, total = sum(letters[char] for char in unknown), letters.total()
    if total < MIN_LETTERS or 2 * count <= total:
        return
    text = f"{count / total:.0%} of the letters are not in the training data: {join_examples(unknown)}"
    findings.note(text, advice="the tags are unreliable; is it another language or encoding?")


def find_unknown_tags(findings: Findings, sentences: Sequence[Sentence], tags: "TaskTags", task: str) -> None:
    """Note the tags of a labelled file that a task model does not know.

    Args:
        findings: of the file, to be added to.
        sentences: of the file, with span tags in BIOES.
        tags: the tags of the task model.
        task: the name of the task model.

    Raises:
        DataError: if the task model knows none of the file's tags but O.
    """
    known = set(tags.names)
    types = {split_tag(tag)[1] for tag in known}
    first_lines: dict[str, int] = {}  # by unknown tag, or by its span type if the type is unknown
    for sentence in sentences:
        for tag, line in zip(sentence.tags, sentence.lines, strict=True):
            if tag not in known:
                span_type = split_tag(tag)[1]
                is_type = tags.are_spans and span_type not in types
                first_lines.setdefault(span_type if is_type else tag, line)
    if not first_lines:
        return
    count = sum(not known.issuperset(sentence.tags) for sentence in sentences)
    kind = "spans of types" if tags.are_spans else "tags"
    text = f"{count} of {len(sentences)} sentences have {kind} that {task!r} does not know"
    text += f": {join_examples(sorted(first_lines))}"
    first = min(first_lines.values())
    if known.isdisjoint(tag for sentence in sentences for tag in sentence.tags if tag != OUTSIDE):
        columns = "--token-col, --label-col and --separator choose the columns"
        findings.refuse(text, first, advice=f"expected tags that it knows; {columns}")
    findings.note(text, first, advice="they count as wrong, and have no loss")


def _forms(char: str) -> set[str]:
    """Return a letter in both cases, and the letter and accents that it is composed of."""
    return {char, char.lower(), char.upper(), *unicodedata.normalize("NFD", char)}


def _inner_mark(tokens: Sequence[str]) -> str | None:
    """Return a mark that stands inside of more than 90% of the tokens, or None."""
    counts = {mark: sum(mark in token[1:-1] for token in tokens) for mark in _MARKS}
    return next((mark for mark, count in counts.items() if count > 0.9 * len(tokens)), None)


def _is_text(lines: Sequence[str], *, one_a_sentence: bool) -> bool:
    """Return True if lines look like running text: many cells, no tabs, no span tags, and unequal widths.

    Args:
        lines: the token lines.
        one_a_sentence: whether each line is a sentence; then equal widths are text too.
    """
    rows = [split_columns(line, " ") for line in lines if "\t" not in line]
    widths = [len(row) for row in rows]
    cells = [cell for row in rows for cell in row]
    return (
        0 < len(rows) == len(lines)
        and len(cells) > _MIN_CELLS * len(rows)
        and (one_a_sentence or len(set(widths)) > 1)
        and not any(map(SPAN_TAG.fullmatch, cells))
    )
