"""Guesses of the columns of labelled files."""

from collections.abc import Callable
from pathlib import Path

import pytest
from column_files import conllu

from mlmt_jax.errors import DataError
from mlmt_jax.text.column_guess import are_numbers, guess_format
from mlmt_jax.text.columns import ColumnFormat, read_conll

Write = Callable[[str | bytes], Path]
CONLL2003 = "-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\nGerman JJ B-NP B-MISC\n. . O O\n"
CONLLU = conllu("1-2 del _", "1 de ADP", "2 el DET", "2.1 x _", "3 # SYM")
GUESSES = {
    "spaces": ("Piet B-PER\nloopt O\n", (0, 1, None)),
    "tabs": ("Piet\tB-PER\nt ex\tO\n", (0, 1, "\t")),
    "pos": ("1 NUM\na DET\n\n1 NUM\nb X\n", (0, 1, None)),
    "ids as tokens": ("8.1 O\nx O\n", (0, 1, None)),
    "ids alone": ("8.1 O\n\n1-2 O\n", (0, 1, None)),
    "conll2003": (CONLL2003, (0, 3, None)),
    "constant last column": ("a O x\nb B-PER x\nc I-PER x\n", (0, 1, None)),
    "probabilities last": ("a N 0.91\nb N 1\nc V 0.91\nd V 1\n", (0, 1, None)),
    "probabilities behind many tags": ("a N 0.91\nb V 0.8\nc N 0.95\nd X 0.3\n", (0, 1, None)),
    "few values": ("a 0.5 N\nb 0.1 N\nc 0.7 V\nd 0.2 V\n", (0, 2, None)),
    "iob2": ("# c\n1\tA\tB-PER\tB-PERpart#O\ts\n2\tb\tO\tO#O\ts\n\n1\tc\tO\tO#O\ts\n", (1, 2, "\t")),
    "indexed pos": ("1 A X\n1-2 ab _\n2 b Y\n\n1 c Z\n", (1, 2, None)),
    "a lost line": ("".join(f"{i} w{i} B-PER\n" for i in range(1, 20) if i != 7), (1, 2, None)),
    "a line too many": ("".join(f"{i} w{i} O\n" + "\n" * (i == 7) for i in range(1, 20)), (1, 2, None)),
    "conllu": (f"# t = x\n{CONLLU}", (1, 3, "\t")),
}


@pytest.mark.parametrize(
    ("cells", "expected"), [(["1", "0.5", "-2e-3"], True), (["١٢"], True), (["1", "B"], False)]
)
def test_numbers_are_recognised(cells: list[str], expected: bool) -> None:
    assert are_numbers(cells) == expected


@pytest.mark.parametrize("name", GUESSES)
def test_columns_are_guessed(write: Write, name: str) -> None:
    content, (token_col, label_col, separator) = GUESSES[name]
    path = write(content)
    guess = guess_format(path)
    assert guess == ColumnFormat(token_col, label_col, separator)
    read_conll(path, guess)


def test_only_the_start_of_a_file_is_read(write: Write) -> None:
    assert guess_format(write(b"a O\n" * 20_000 + b"\xe9 O\n")).label_col == 1


@pytest.mark.parametrize(
    ("content", "word"), [("a\nb\n", "one column"), ("", "no sentence"), (b"\xe9\n", "0xe9")]
)
def test_a_file_without_columns_is_refused(write: Write, content: str | bytes, word: str) -> None:
    with pytest.raises(DataError, match=word):
        guess_format(write(content))
