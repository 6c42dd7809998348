"""Input whose layout differs from a run's training file."""

import pytest

from mlmt_jax.check.input_layout import find_other_layout
from mlmt_jax.text.findings import Findings

Sentences = tuple[list[list[str]], list[str]]


def rows(*sentences: str, column: int = 0, separator: str | None = None) -> Sentences:
    """Return the tokens in a column of sentences whose lines are joined by ``|``, and all lines."""
    blocks = [sentence.split("|") for sentence in sentences]
    tokens = [[line.split(separator)[column] for line in lines] for lines in blocks]
    return tokens, [line for lines in blocks for line in lines]


@pytest.mark.parametrize(
    ("sentences", "expected"),
    [
        (rows("Jens bor i Aarhus ."), "running text"),
        (rows("Jens bor i Aarhus .|Han er ikke her ."), None),  # as wide as columns are
        (rows("Jens bor i Aarhus .|Hun bor ikke der i dag ."), "running text"),
        (rows("Jens bor i Aarhus .", "Hun gik"), "running text"),
        (rows("Jens NNP B-NP B-PER"), None),
        (rows("Jens PER", "Aarhus LOC"), None),
        (rows("Jens O|bor O", separator="\t"), "holds a space"),
        (rows("Jens\tO|bor\tO", separator=" "), "a tab or the like"),
        (rows("Jens\xa0O|bor\xa0O", separator=" "), "a tab or the like"),
        (rows("Jens|t ex|bor", separator="\t"), None),
        (rows("1 Jens|2 bor|3 i|4 Aarhus"), "count the words"),
        (rows("1-1 Jens|1-2 bor|1-3 i|1-4 Aarhus"), "have no letters"),
        (rows("1 Jens|2 bor|3 i"), None),  # too few to say
        (rows("1 Jens|2 bor|3 i|4 Aarhus", column=1), None),
        (rows("Jens\tB-PER|bor\tO|i\tO|Aarhus\tB-LOC", column=1), "look like tags"),
        (rows("Jens\tB-PER|bor\tO|i\tO|Aarhus\tB-LOC"), None),
        (rows("O|O|O|O"), None),
        (rows("Jens,B-PER|bor,O|i,O|Aarhus,B-LOC"), "nearly every token holds ','"),
        (rows("Jens|,|bor|1,5"), None),
        (rows("da:Jens|da:bor|da:i|da:Aarhus"), "all begin with 'da:'"),
        (rows("da:Jens|da:bor|da:i|Aarhus"), None),
        (rows("ìàòü|ìûëà|ðàìó|.", "êóïèëà|íîâîå|ìûëî"), "letters from À to ÿ"),
        (rows("Åh|!", "Øl|?", "Å|."), None),  # too few letters
        (rows("på|ö|blåbærgrød|smørrebrød"), None),
        (([[]], []), None),
        (([], []), None),
    ],
)
def test_another_layout_is_noted(sentences: Sentences, expected: str | None) -> None:
    findings = Findings("input")
    find_other_layout(findings, *sentences)
    assert len(list(findings)) == (expected is not None)
    for finding in findings:
        assert expected is not None
        assert expected in finding.text
        assert finding.path == "input"
        assert ("take it off" if "begin with" in expected else "--") in finding.advice
        assert not finding.is_error
