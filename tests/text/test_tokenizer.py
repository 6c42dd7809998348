"""The tokenizer: which strings stay whole, which are split, and that nothing of the line is lost."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmt_jax.text.tokenizer import Token, split_at_spaces, tokenise

# Pieces are few, so that rules meet each other often; ``st.text()`` draws from all of Unicode.
PIECES = st.sampled_from(
    [
        *"aBé0٣ \t\u00a0\u200b\u3000\u0085\x1b'’-.,:/@#_·()\"",
        *"\u200d\u0301\u0327\ufe0f漢かー한กअ\u093f\u094dሰ፡ߞ⵿🇳🇱👩👍🏽",
        "...",
        "--",
        "U.S.",
        "https://a.org/b?c",
        "www.",
        "a.b@c.org",
        " J. ",
    ]
)
LINES = st.one_of(st.text(max_size=30), st.lists(PIECES, max_size=12).map("".join))


def texts(line: str) -> list[str]:
    return [token.text for token in tokenise(line)]


@given(LINES)
@settings(max_examples=600)
def test_tokens_and_gaps_are_the_line(line: str) -> None:
    end, rebuilt = 0, ""
    for token in tokenise(line):
        assert end <= token.start < token.end
        assert token.text == line[token.start : token.end]
        assert not any(char.isspace() or char == "\u200b" for char in token.text)
        gap = line[end : token.start]
        assert gap.replace("\u200b", " ").isspace() or not gap
        rebuilt += gap + token.text
        end = token.end
    assert line[end:].replace("\u200b", "").strip() == ""
    assert rebuilt + line[end:] == line


@given(st.text(st.characters(categories=["Lu", "Ll", "Lt", "Lm", "Mn", "Mc", "Nd"]), min_size=1, max_size=12))
@settings(max_examples=200)
def test_a_mark_stays_with_its_letter(word: str) -> None:
    # Of Han and Kana, these categories have only Kana's marks of repetition, length and tone.
    kana = any(re.match("[\u3005-\u30ff\uff70-\uff9f\U0001aff0-\U0001afff]", char) for char in word)
    assert texts(word) == [word] or kana


@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        ("", ""),
        (" \t\u3000", ""),
        ("Sarel woon in Kroonstad.", "Sarel|woon|in|Kroonstad|."),
        ('"Ja!" (nee?)', '"|Ja|!|"|(|nee|?|)'),
        ("don't ng'ombe l’eau e-mail col·lega snake_case", "don't|ng'ombe|l’eau|e-mail|col·lega|snake_case"),
        ("'n boom, 's nags 'X' po' ng'", "'n|boom|,|'s|nags|'|X|'|po|'|ng|'"),
        ("well-known - no -- yes -5", "well-known|-|no|--|yes|-|5"),
        ("1,234.50 12:30 3/4 2021-03-12 ٣٫٥ 5. 3rd", "1,234.50|12:30|3/4|2021-03-12|٣٫٥|5|.|3rd"),
        ("50% $5 20°C", "50|%|$|5|20|°|C"),
        ("in the U.S. e.g. J. Smith", "in|the|U.S.|e.g.|J.|Smith"),
        ("the U.S.A team, Ph.D. Dr. No", "the|U.S.A|team|,|Ph|.|D.|Dr|.|No"),
        ("vitamin C.", "vitamin|C|."),
        ("an end.Next one... yes", "an|end|.|Next|one|...|yes"),
        ("see https://a.org/b_(c)?d=e. Or www.a.org!", "see|https://a.org/b_(c)?d=e|.|Or|www.a.org|!"),
        ("(see https://a.org/b_(c)), www.a.org/b).", "(|see|https://a.org/b_(c)|)|,|www.a.org/b|)|."),
        ("‘Bu o‘zbek’, צה״ל ג׳ירפה״", "‘|Bu|o‘zbek|’|,|צה״ל|ג׳ירפה|״"),
        ("(mail a.b+c@d-e.co.za)", "(|mail|a.b+c@d-e.co.za|)"),
        ("@name #topic a@b", "@name|#topic|a|@b"),
        ("नमस्ते दुनिया।", "नमस्ते|दुनिया|।"),
        ("ক্‍ষ", "ক্‍ষ"),  # with a zero-width joiner
        ("می‌خواهم،", "می‌خواهم|،"),  # with a zero-width non-joiner
        ("ሰላም፡ለዓለም።", "ሰላም|፡|ለዓለም|።"),
        ("السَّلَامُ عليكم؟", "السَّلَامُ|عليكم|؟"),
        ("ߒߞߏ߫ ߞߎߡߊ߸", "ߒߞߏ߫|ߞߎߡߊ|߸"),
        ("ⵜⴰⵎⴰⵣⵉⵖⵜ⵰", "ⵜⴰⵎⴰⵣⵉⵖⵜ|⵰"),
        ("Ọ̀yọ́ ní ìlú.", "Ọ̀yọ́|ní|ìlú|."),
        ("東京タワーは2021年。", "東|京|タ|ワー|は|2021|年|。"),
        ("か\u3099", "か\u3099"),
        ("한국어 문장.", "한국어|문장|."),
        ("สวัสดีชาวโลก ครับ", "สวัสดีชาวโลก|ครับ"),
        ("ສະບາຍດີ။ မြန်မာ၊", "ສະບາຍດີ|။|မြန်မာ|၊"),
        ("សួស្តី\u200bពិភពលោក។", "សួស្តី|ពិភពលោក|។"),
        ("བོད་སྐད།", "བོད་སྐད|།"),
        ("👩‍👩‍👧🇳🇱🇧🇪👍🏽❤️!", "👩‍👩‍👧|🇳🇱|🇧🇪|👍🏽|❤️|!"),
        ("a\x1b[1m\x07b", "a|\x1b|[|1m|\x07|b"),
    ],
)
def test_lines_are_split_into_tokens(line: str, tokens: str) -> None:
    assert texts(line) == (tokens.split("|") if tokens else [])


def test_a_long_line_takes_linear_time() -> None:
    # A rule that backtracks would not end.
    for unit in ("a", "a.", ".", "a@", "'", "0,", "a@a.", "www.", "\u0301", "👩\u200d", "@"):
        assert "".join(texts(unit * 50_000)) == unit * 50_000


def test_split_at_spaces_keeps_all_else() -> None:
    assert split_at_spaces(" a.b\u00a0(c)\u200bd ") == [Token("a.b", 1, 4), Token("(c)\u200bd", 5, 10)]
    assert split_at_spaces(" ") == []
