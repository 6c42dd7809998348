"""Vector files: recognition of formats, words with spaces, errors with their lines, random round trips."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmt_jax.corpus.vector_records import read_dimension
from mlmt_jax.corpus.vectors import read_vectors
from mlmt_jax.errors import DataError

WORDS = ["de", "Gent", "t ex", "10 000", ",", "#", "é", "a\xa0b"]
MATRIX = np.random.default_rng(0).normal(size=(len(WORDS), 5)).astype(np.float32)


@pytest.fixture
def write(tmp_path: Path):
    def write(content: str | bytes) -> Path:
        path = tmp_path / "vectors"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def as_text(words, matrix, *, header=True, between=" ", end="\n") -> bytes:
    lines = [f"{len(words)} {matrix.shape[1]}"] if header else []
    lines += [between.join([w, *(repr(float(x)) for x in row)]) for w, row in zip(words, matrix, strict=True)]
    return (end.join(lines) + end).encode()


def as_binary(words, matrix, *, newline: bool) -> bytes:
    rows = zip(words, matrix, strict=True)
    records = [w.encode() + b" " + row.astype("<f4").tobytes() + b"\n" * newline for w, row in rows]
    return f"{len(words)} {matrix.shape[1]}\n".encode() + b"".join(records)


TEXTS = {
    "word2vec": as_text(WORDS, MATRIX),
    "fasttext": as_text(WORDS, MATRIX, end=" \n"),  # a space at the end of the lines
    "glove": as_text(WORDS, MATRIX, header=False),
    "crlf": as_text(WORDS, MATRIX, end="\r\n"),
    "tabs": as_text(WORDS, MATRIX, header=False, between="\t"),
    "doubled": as_text(WORDS, MATRIX, between="  "),
    "bom": b"\xef\xbb\xbf" + as_text(WORDS, MATRIX),
    "glove bom": b"\xef\xbb\xbf" + as_text(WORDS, MATRIX, header=False),
    "blank lines": as_text(WORDS, MATRIX, end="\n\n"),
    "no end": as_text(WORDS, MATRIX).rstrip(b"\n"),
}
BINARIES = {
    "binary": as_binary(["de", "Gent", "é"], MATRIX[:3], newline=False),
    "binary, newlines": as_binary(["de", "Gent", "é"], MATRIX[:3], newline=True),
}


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("name", TEXTS | BINARIES)
def test_format_follows_from_content(write, name, compress):
    path = write(compress((TEXTS | BINARIES)[name]))
    assert read_dimension(path) == 5
    (words, matrix), findings = read_vectors(path, 5, max_words=100)
    n = 3 if name in BINARIES else len(WORDS)
    assert words == (["de", "Gent", "é"] if name in BINARIES else WORDS)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, MATRIX[:n])
    assert list(findings) == []


@pytest.mark.parametrize(
    ("content", "words", "column"),
    [
        ("7 0.1\n8 0.2\n", ["7", "8"], [0.1, 0.2]),
        ("7 1\n8 2\n", ["7", "8"], [1, 2]),
        ("7 3\n8 2\n", ["7", "8"], [3, 2]),
        ("2 1\na 5\nb 6\n", ["a", "b"], [5, 6]),
    ],
)
def test_vectors_of_one_dimension(write, content, words, column):
    vectors, _ = read_vectors(write(content), 1, max_words=9)
    assert vectors.words == words
    np.testing.assert_allclose(vectors.matrix[:, 0], column)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ":1: expected a header, or a word and its numbers: ''"),
        (b"word\na 1 2\n", ":1: expected a header, or a word and its numbers: 'word'"),
        (b"1" * 5000 + b" 3\na 1 2 3\n", None),  # a word, and one number
        (gzip.compress(b"a 1 2\n")[:14], ": damaged or cut short: "),
        (gzip.compress(b"a 1 2\n" * 99)[:12] + b"\xff" * 20, ": damaged or cut short: "),
    ],
    ids=["empty", "no numbers", "long numeral", "cut gzip", "damaged gzip"],
)
def test_read_dimension_of_unusual_file(write, content, message):
    path = write(content)
    if message is None:
        assert read_dimension(path) == 1
        return
    with pytest.raises(DataError) as caught:
        read_dimension(path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_first_words_and_extra_words_are_read(write):
    words = [f"w{i}" for i in range(2000)]
    matrix = np.arange(4000, dtype=np.float32).reshape(2000, 2)
    for content in (as_text(words, matrix), as_binary(words, matrix, newline=True)):
        vectors, findings = read_vectors(
            write(content), 2, max_words=700, extra_words={"w3", "w1500", "w1998", "absent"}
        )
        rows = [*range(700), 1500, 1998]
        assert vectors.words == [words[i] for i in rows]
        np.testing.assert_array_equal(vectors.matrix, matrix[rows])
        assert list(findings) == []


def test_reading_stops_once_no_further_word_is_needed(write):
    path = write("a 1 2\nb 3 4\nc nonsense\n")
    assert read_vectors(path, 2, max_words=2)[0].words == ["a", "b"]
    vectors, _ = read_vectors(path, 2, max_words=0)
    assert vectors.words == []
    assert vectors.matrix.shape == (0, 2)


def test_first_vector_of_repeated_word_is_used(write):
    path = write("3 2\na 1 2\nb 3 4\na 5 6\na 7 8\n".replace("3 2", "4 2"))
    (words, matrix), findings = read_vectors(path, 2, max_words=9)
    assert words == ["a", "b"]
    assert matrix.tolist() == [[1, 2], [3, 4]]
    assert [(f.line, f.count) for f in findings] == [(4, 2)]


@pytest.mark.parametrize("header", [b"", b"5 3\n"])
def test_unusable_words_are_left_out(write, header):
    path = write(header + b"a 1 2 3\nf\xe9 1 2 3\n\xff 4 5 6\n 7 8 9\nb 1 1 1\n")
    (words, matrix), findings = read_vectors(path, 3, max_words=9)
    assert words == ["a", "b"]
    assert matrix.tolist() == [[1, 2, 3], [1, 1, 1]]
    first = 2 + bool(header)
    assert [(f.line, f.count) for f in findings] == [(first, 2), (first + 2, 1)]
    assert "UTF-8" in next(iter(findings)).text


def test_very_long_word_is_left_out(write):
    vectors, [finding] = read_vectors(write("a 1 2\n" + "é" * 2049 + " 3 4\nb 5 6\n"), 2, max_words=9)
    assert vectors.words == ["a", "b"]
    assert finding.line == 2
    assert "more than 4096 bytes" in finding.text
    assert len(str(finding)) < 300


def test_header_with_another_count_is_a_finding(write):
    _, [finding] = read_vectors(write("9 2\na 1 2\nb 3 4\n"), 2, max_words=9)
    assert "9 words, but the file has 2" in str(finding)
    binary = as_binary(["a", "b"], MATRIX[:2], newline=False).replace(b"2 5\n", b"1 5\n")
    vectors, [finding] = read_vectors(write(binary), 5, max_words=9)
    assert vectors.words == ["a"]
    assert "more follows" in finding.text


def test_number_formats(write):
    (words, matrix), _ = read_vectors(write("a -1 +2. .5 1e-3 1E2 1e-60\n"), 6, max_words=9)
    assert words == ["a"]
    np.testing.assert_array_equal(matrix[0], np.array([-1, 2, 0.5, 1e-3, 1e2, 0], np.float32))


BLOCK = "".join(f"w{i} 1 2\n" for i in range(1200))
LONG = as_text([f"w{i}" for i in range(5000)], np.random.default_rng(1).normal(size=(5000, 4)))


@pytest.mark.parametrize(
    ("content", "dimension", "words"),
    [
        ("2 300\na 1\n", 50, [":1: the header says 300 dimensions", "expected dimension 50"]),
        ("2 3\na 1 2 3\nb 1 2 3\n", 1, [":1: the header says 3 dimensions", "expected dimension 1"]),
        ("999999999 999999999\na 1 2\n", 2, [":1: the header says 999999999"]),
        ("9" * 5000 + " 2\na 1 2\n", 2, [":1:"]),
        ("a 1 2\n", 3, [":1: a word and 2", "expected 3"]),
        ("a 1 2 3 4\n", 3, [":1: a word and 4 numbers", "expected 3"]),
        ("a 1 2\nb 1\n", 2, [":2: a word and 1", "expected 2"]),
        ("a 1 2\nb 0.3 1 2\n", 2, [":2: a word and 3 numbers", "expected 2"]),
        ("a 1 2\nb  2\nc 1 2 \n", 2, [":2: a word and 1 numbers", "expected 2"]),
        ("1 2\na 1 2\nb 1\n", 2, [":3:"]),
        (BLOCK + "x 1 y\n" + BLOCK, 2, [":1201: 'y' is not a finite number"]),
        (BLOCK + "x nan 1\n", 2, [":1201: 'nan' is not a finite number"]),
        (BLOCK + "x 1 -inf\n", 2, [":1201: '-inf' is not a finite number"]),
        ("x 1 1e39\n", 2, [":1: '1e39' is not a finite number"]),
        ("x 1 1_0\n", 2, [":1: '1_0' is not a finite number"]),
        ("x 1 0,5\n", 2, [":1: '0,5' is not a finite number"]),
        ("x 1 1-2\n", 2, [":1: '1-2' is not a finite number"]),
        ("x 1 0x1\n", 2, [":1: '0x1' is not a finite number"]),
        ("1 2\nx 1 y\n", 2, [":2: 'y' is not a finite number"]),
        ("", 2, ["no vectors"]),
        ("5 2\n", 2, ["no vectors"]),
        ("\n\n", 2, ["no vectors"]),
        (b"\xe9 1 2\n", 2, [": all its words are empty, too long or not UTF-8"]),
        (b" 1 2\n\xff 3 4\n", 2, [": all its words are empty, too long or not UTF-8"]),
        (as_binary(["a"], MATRIX[:1], newline=True).replace(b"a ", b"\xe9 "), 5, ["not UTF-8"]),
        ("a 1 2\n".encode("utf-16"), 2, [":1: looks like UTF-16", "save it as"]),
        (b"x" * 2_000_000, 2, [":1: the line has no end in 1 MiB"]),
        (BINARIES["binary"][:-1], 5, ["ends within word 3", "header: 3 words"]),
        (BINARIES["binary"][:30], 5, ["ends within word 2"]),
        (BINARIES["binary"].replace(b"3 5\n", b"999999999 5\n"), 5, ["ends within word 4", "999999999"]),
        (BINARIES["binary"], 4, [":1: the header says 5 dimensions"]),
        (
            as_binary(["a", "b"], np.array([[1, 2, 3], [1, np.nan, 2]]), newline=True),
            3,
            ["word 2 ('b')", "finite"],
        ),
        (
            as_binary(["a"], MATRIX[:1], newline=True).replace(b"1 5", b"2 5") + b"y" * 100_000,
            5,
            ["word 2 has no end"],
        ),
        (gzip.compress(LONG)[:-20], 4, ["cut short", "gzip"]),
        (gzip.compress(LONG)[:-8] + b"\0" * 8, 4, ["damaged", "gzip"]),
        (gzip.compress(LONG)[:5000] + b"\xff" * 99, 4, ["damaged", "gzip"]),
    ],
)
def test_invalid_file_is_refused(write, content, dimension, words):
    path = write(content)
    with pytest.raises(DataError) as caught:
        read_vectors(path, dimension, max_words=10_000)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert all(word in message for word in words), message
    assert message.count("\n") <= 1


def test_file_whose_words_are_all_skipped(write):
    (words, matrix), _ = read_vectors(write("a 1 2\n"), 2, max_words=9, skip=lambda word: True)
    assert (words, matrix.shape) == ([], (0, 2))


def test_file_that_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"nowhere.*cannot be read: No such file"):
        read_vectors(tmp_path / "nowhere", 2, max_words=1)
    with pytest.raises(DataError, match="cannot be read"):
        read_vectors(tmp_path, 2, max_words=1)


FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
# Letters alone: a word of digits may be taken for a header or a number, depending on its neighbours.
TOKEN = st.text(st.characters(categories=("L",)), min_size=1, max_size=5)


@st.composite
def vector_files(draw, spaces: bool, least: int):
    part = st.lists(TOKEN, min_size=1, max_size=3 if spaces else 1).map(" ".join)
    words = draw(st.lists(part, min_size=1, max_size=8, unique=True))
    d = draw(st.integers(least, 6))
    rows = draw(st.lists(st.lists(FLOATS, min_size=d, max_size=d), min_size=len(words), max_size=len(words)))
    return words, np.array(rows, np.float32).reshape(len(words), d)


@settings(max_examples=80)
@given(vector_files(spaces=True, least=1), st.booleans(), st.sampled_from(["\n", " \n", "\r\n"]))
def test_text_round_trip(tmp_path_factory, vectors, header, end):
    path = tmp_path_factory.mktemp("vectors") / "v"
    path.write_bytes(as_text(*vectors, header=header, end=end))
    (words, matrix), findings = read_vectors(path, vectors[1].shape[1], max_words=100)
    assert words == vectors[0]
    np.testing.assert_array_equal(matrix, vectors[1])
    assert list(findings) == []


@settings(max_examples=80)
@given(
    st.lists(TOKEN, min_size=1, max_size=8, unique=True),
    st.integers(8, 20),
    st.integers(0, 9999),
    st.booleans(),
)
def test_binary_round_trip(tmp_path_factory, words, dimension, seed, newline):
    path = tmp_path_factory.mktemp("vectors") / "v"
    matrix = np.random.default_rng(seed).normal(size=(len(words), dimension)).astype(np.float32)
    path.write_bytes(as_binary(words, matrix, newline=newline))
    vectors, findings = read_vectors(path, dimension, max_words=100)
    assert vectors.words == words
    np.testing.assert_array_equal(vectors.matrix, matrix)
    assert list(findings) == []
