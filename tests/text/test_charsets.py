"""Likely encodings of bytes that are not UTF-8."""

from pathlib import Path

import pytest

from mlmt_jax.errors import DataError
from mlmt_jax.text.charsets import decoded_line, likely_readings
from mlmt_jax.text.findings import Findings
from mlmt_jax.text.lines import open_text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("café", "cp1252"),
        ("på vej", "cp1252"),
        ("ÄRGER", "cp1252"),
        ("Łódź jest", "cp1250"),
        ("Türkçe ağaç", "cp1254"),
        ("ž", "cp1257"),
        ("może", "cp1250"),
        ("McÉwan", "cp1252"),
        ("ÀÉÈ", "cp1252"),
        ("Nº", "cp1252"),
        ("m²", "cp1252"),
        ("\u201chi\u201d", "cp1252"),
        ("мать", "cp1251"),
        ("Ёлка МАТЬ", "cp1251"),
        ("мать", "koi8-r"),
        ("καλημέρα", "cp1253"),
        ("שלום", "cp1255"),
        ("سلام", "cp1256"),
        ("في", "cp1256"),
        ("של", "cp1255"),
    ],
)
def test_the_encoding_is_likely_and_has_its_words(text: str, encoding: str) -> None:
    readings = likely_readings(f"{text}\tO\n".encode(encoding))
    assert readings[encoding] == " ".join(word for word in text.split() if not word.isascii())
    assert len(set(readings.values())) == len(readings)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((text, "cp1252") for text in ("café", "på", "ÄRGER", "Nº", "m²", "5µm", "McÉwan", "iPhoné", "«")),
        *((text, "cp1250") for text in ("może", "Łódź")),
        *((text, "cp1251") for text in ("мать мыла раму", "Ёлка")),
        ("καλημέρα", "cp1253"),
        ("سلام", "cp1256"),
    ],
)
def test_the_encoding_comes_first_if_others_give_no_words(text: str, encoding: str) -> None:
    assert next(iter(likely_readings(f"{text} O".encode(encoding)))) == encoding


def test_a_long_word_is_cut_around_its_first_letter_that_is_not_ascii() -> None:
    [reading] = likely_readings(b"a" * 10_000 + "é".encode("cp1252") + b"b" * 10_000).values()
    assert reading == "a" * 12 + "é" + "b" * 11
    assert len(next(iter(likely_readings(b"\xe9" * 10_000).values()))) == 24


def test_binary_data_has_no_reading() -> None:
    assert likely_readings(b"\x00\x01\xff") == {}
    assert decoded_line("\x01é".encode(), "utf-8") is None
    assert decoded_line("\té\n".encode(), "utf-8") == "é"


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_the_message_shows_the_words_of_each_encoding(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a O\n" + "мать O".encode("cp1251") + end)
    with pytest.raises(DataError) as error:
        list(open_text(Findings(path)))
    assert str(error.value).splitlines() == [
        f"{path}:2:1: a byte that is not utf-8: 0xec",
        "  it may read 'мать' in cp1251, 'μΰςό' in cp1253, 'ЛЮРЭ' in koi8-r, 'ìàòü' in cp1252, 'ěŕňü' in "
        "cp1250, 'ģąņü' in cp1257: give the encoding in which the words are right (parser.encoding of a "
        "config, --encoding of a command), or save the file as utf-8",
    ]
