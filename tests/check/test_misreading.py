"""Words of UTF-8 that were read in another encoding, and words that only look so."""

import codecs

import pytest

from mlmt_jax.check.misreading import mend


def _latin(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("latin-1"), error.end


@pytest.mark.parametrize(
    "word",
    [
        "café",
        "señor",
        "één",
        "Łódzka",
        "ọjọ́",
        "ṣé",
        "don’t",
        "привет",
        "naïve",
        "größer",
        "šašo",
        "日本",
        "Jürgen",
        "São",
        "Mía",
        "Kız",
        "Tịnh",
    ],
)
def test_misread_words_are_mended(word: str) -> None:
    # Browsers read bytes without a letter in cp1252 as latin-1.
    codecs.register_error("latin", _latin)
    misread = word.encode().decode("cp1252", "latin")
    assert mend(misread) == word


@pytest.mark.parametrize(
    "word",
    [
        "CAFÉ»",
        "«Ä»",
        "Å»",
        "É",
        "São",
        "IRMÃ»",
        "IRMÃ»e",
        "IRMÃ\xa0de",
        "été",
        "Ãu",
        "naïve",
        "Ñandú",
        "çà…",
        "l’été",
        "привет",
        "“Â”",
    ],
)
def test_correct_words_are_not_changed(word: str) -> None:
    assert mend(word) == word
