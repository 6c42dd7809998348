"""How bytes that are not UTF-8 may read."""

from pathlib import Path

import pytest

from mlmt_jax.data.decoding import open_text
from mlmt_jax.data.encodings import likely_readings
from mlmt_jax.errors import DataError


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("café", "cp1252"),
        ("på vej", "cp1252"),
        ("ÄRGER", "cp1252"),
        ("Łódź jest", "cp1250"),
        ("Türkçe ağaç", "cp1254"),
        ("ž", "cp1257"),
        ("мать", "cp1251"),
        ("Ёлка МАТЬ", "cp1251"),
        ("мать", "koi8-r"),
        ("καλημέρα", "cp1253"),
        ("שלום", "cp1255"),
        ("سلام", "cp1256"),
    ],
)
def test_the_encoding_is_among_the_likely_ones_with_its_words(text: str, encoding: str) -> None:
    found = likely_readings(f"{text}\tO\n".encode(encoding))
    assert found[encoding] == " ".join(word for word in text.split() if not word.isascii())
    assert len(set(found.values())) == len(found) <= 4


def test_other_scripts_are_not_latin() -> None:
    assert list(likely_readings("мать мыла раму O".encode("cp1251"))) == ["cp1251", "koi8-r", "cp1253"]


def test_marks_alone_and_binary_data() -> None:
    assert likely_readings("\u201chi\u201d O".encode("cp1252")) == {"cp1252": ""}
    assert likely_readings(b"\x00\x01\xff") == {}


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_the_message_shows_what_the_words_would_be(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a O\n" + "мать O".encode("cp1251") + end)
    with pytest.raises(DataError) as error:
        list(open_text(path))
    assert str(error.value).splitlines() == [
        f"{path}:2:1: a byte that is not utf-8: 0xec",
        "  it may read 'мать' in cp1251, 'ЛЮРЭ' in koi8-r, 'μΰςό' in cp1253: give the encoding in which the "
        "words are right (parser.encoding of a config, --encoding of a command), or save the file as utf-8",
    ]
