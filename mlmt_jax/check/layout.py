"""Input for a trained run that is laid out otherwise than the run's training file was."""

from collections.abc import Sequence
from typing import NamedTuple

from mlmt_jax.check.columns import odd_tokens
from mlmt_jax.data.conll import split_columns
from mlmt_jax.data.findings import Finding
from mlmt_jax.data.guessing import SPAN_TAG

__all__ = ["Rows", "find_other_layout"]

# Of fewer words nothing can be said.
_FEWEST_WORDS = 4
# A line of running text has more cells than that, on average; of columns there often are two.
_FEWEST_CELLS = 3


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
        text = "every token holds a space, a tab or the like: columns that are parted by it?"
    elif len(tokens) >= _FEWEST_WORDS and (odd := odd_tokens([one.tokens for one in sentences])):
        text = f"the tokens {odd}"
    else:
        return None
    example = repr(tokens[0])
    return Finding(path, None, text, example=example, advice=f"they were tagged as they stand; {advice}")


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
