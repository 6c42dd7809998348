"""Words and their fallback forms, characters, and vocabularies as JSON."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from word_search import TABLES, WORDS, search

from mlmt_jax.corpus.vocabulary import MAX_CHARACTERS, CharacterVocab, Vocabulary, WordVocab, fallback_forms


def test_fallback_forms():
    assert fallback_forms("Route-66a") == ("Route-66a", "Route-66a", "route-66a", "route-00a")
    assert fallback_forms("A\u030a1") == ("A\u030a1", "Å1", "å1", "å0")


@pytest.mark.parametrize(
    ("table", "word", "match"),
    [
        (["Piet", "piet", "PIET"], "PIET", "PIET"),
        (["Piet", "piet"], "PIET", "piet"),  # the lower-case form itself, although another match comes first
        (["PIET", "Piet"], "piet", "PIET"),  # of words that are equal in lower case, the first one
        (["1994", "0000"], "1994", "1994"),
        (["1994", "0000"], "1871", "0000"),
        (["1994", "2001"], "1871", "1994"),
        (["a00", "A12"], "a12", "A12"),  # case is ignored before digits are
        (["a00", "A12"], "A34", "a00"),
        (["00"], "000", None),
        (["é"], "e", None),
        (["é"], "e\u0301", "é"),
        (["e\u0301"], "é", "e\u0301"),
        (["é", "É"], "E\u0301", "É"),  # the normal form is ignored before case is
        ([], "a", None),
        (["a"], "", None),
    ],
)
def test_word_falls_back_to_lower_case_then_to_zero_digits(table, word, match):
    expected = 0 if match is None else table.index(match) + 1
    assert WordVocab(tuple(table)).row(word) == expected


def test_ignore_case_prefers_lower_case_word_to_exact_word():
    table = ("Piet", "piet")
    assert WordVocab(table).row("Piet") == 1
    assert WordVocab(table, ignore_case=True).row("Piet") == 2


@given(TABLES, st.lists(WORDS, max_size=8), st.booleans())
@settings(max_examples=150)
def test_rows_agree_with_search_through_the_table(table, words, ignore_case):
    vocab = WordVocab(tuple(table), ignore_case)
    rows = vocab.rows([*words, *table])
    keys = [word.lower() if ignore_case else word for word in [*words, *table]]
    assert rows.tolist() == [search(table, key) for key in keys]
    assert rows.dtype == np.int32
    assert vocab.size == len(table) + 1


@given(TABLES, TABLES, st.lists(WORDS, max_size=8), st.booleans())
@settings(max_examples=100)
def test_extension_is_searched_before_the_oov_word(table, extra_words, words, ignore_case):
    alone, other = WordVocab(tuple(table), ignore_case), WordVocab(tuple(extra_words))
    vocab = WordVocab(tuple(table), ignore_case, extension=other)
    assert vocab.size == 1 + len(table) + len(extra_words)
    for word in [*words, *table, *extra_words]:
        beyond = other.row(word)
        assert vocab.row(word) == (alone.row(word) or (len(table) + beyond if beyond else 0))
    # Words that the table has need no row in the extension.
    lean = tuple(word for word in extra_words if not alone.row(word))
    rows = WordVocab(tuple(table), ignore_case, extension=WordVocab(lean)).rows(words)
    names = ["", *table, *lean]
    assert [names[row] for row in rows] == [["", *table, *extra_words][row] for row in vocab.rows(words)]


def test_rows_of_no_words_are_empty():
    rows = WordVocab(("a",)).rows([])
    assert (rows.shape, rows.dtype) == ((0,), np.int32)


def test_character_rows():
    vocab = CharacterVocab(("a", "b", "ŵ"))
    letters, sizes = vocab.rows(["ab", "", "ŵxaa", "A"])
    assert (letters.tolist(), sizes.tolist()) == ([2, 3, 0, 4, 1, 2, 2, 1], [2, 1, 4, 1])
    assert (letters.dtype, vocab.size) == (np.int32, 5)
    for words, expected in (([], []), ([""], [0]), (["b"], [3])):
        letters, sizes = vocab.rows(words)
        assert (letters.tolist(), sizes.tolist(), letters.dtype) == (expected, [1] * len(words), np.int32)


def test_characters_fall_back_to_the_normal_form_that_is_known():
    vocab = CharacterVocab(("a", "å", "e", "\u0301"))
    words = ["a\u030a", "é", "a\u030ae\u0301", "xa", "å"]
    letters, _ = vocab.rows(words)
    # No normal form of the third word has fewer unknown characters than the word as it stands.
    assert letters.tolist() == [3, 4, 5, 2, 1, 4, 5, 1, 2, 3]
    letters, _ = vocab.rows(words[:2], fall_back=False)
    assert letters.tolist() == [2, 1, 1]


def test_any_code_point_may_be_known_or_unknown():
    vocab = CharacterVocab(("a", "\ud800", "\U0010ffff"))
    letters, _ = vocab.rows(["a\U0010ffff\U0010fffe", "\ud800\udfff"])
    assert letters.tolist() == [2, 4, 1, 3, 1]
    letters, _ = CharacterVocab(()).rows(["\x00\U0010ffff"])
    assert letters.tolist() == [1, 1]


def test_characters_beyond_the_limit_are_not_read():
    vocab = CharacterVocab(("a", "b"))
    letters, sizes = vocab.rows(["a" * MAX_CHARACTERS + "b", "b"])
    assert letters.tolist() == [2] * MAX_CHARACTERS + [3]
    assert sizes.tolist() == [MAX_CHARACTERS, 1]


def test_word_ends_enclose_the_characters_and_change_no_other_row():
    plain, vocab = CharacterVocab(("a", "b", "ŵ")), CharacterVocab(("a", "b", "ŵ"), word_ends=True)
    begin, end = 5, 6
    assert (plain.size, vocab.size) == (5, 7)
    words = ["ab", "", "ŵxa", "", "a" * (MAX_CHARACTERS + 1)]
    rows, sizes = vocab.rows(words)
    plain_rows, plain_sizes = plain.rows(words)
    inner = [
        row[:size] if word else []
        for word, row, size in zip(words, _split(plain_rows, plain_sizes), plain_sizes, strict=True)
    ]
    assert _split(rows, sizes) == [[begin, *row, end] for row in inner]
    assert sizes.tolist() == [4, 2, 5, 2, MAX_CHARACTERS + 2]
    assert rows.dtype == plain_rows.dtype == np.int32
    for few in ([], [""]):
        rows, sizes = vocab.rows(few)
        assert rows.tolist() == [begin, end] * len(few)
        assert sizes.tolist() == [2] * len(few)


def test_word_ends_are_kept_and_absent_from_other_vocabularies():
    for word_ends in (True, False):
        vocab = Vocabulary({}, CharacterVocab(("a",), word_ends), {}, {})
        data = vocab.as_json()
        assert data.get("word_ends", False) == word_ends
        assert "word_ends" in data or not word_ends
        assert Vocabulary.from_json(data) == vocab


def _split(rows: np.ndarray, sizes: np.ndarray) -> list[list[int]]:
    return [part.tolist() for part in np.split(rows, np.cumsum(sizes)[:-1])]


def test_words_without_fall_back_match_exactly():
    vocab = WordVocab(("Piet", "piet", "1994"), fall_back=False)
    assert vocab.rows(["Piet", "piet", "PIET", "1994", "1871"]).tolist() == [1, 2, 0, 3, 0]
    assert WordVocab(("piet",), ignore_case=True, fall_back=False).rows(["PIET", "p1"]).tolist() == [1, 0]
    further = WordVocab(("Piet",), fall_back=False, extension=WordVocab(("piet",)))
    assert further.rows(["Piet", "PIET", "Jan"]).tolist() == [1, 2, 0]
    assert vocab.as_json()["fall_back"] is False
    assert "fall_back" not in WordVocab(("Piet",)).as_json()


def test_word_vocabulary_survives_json():
    for vocab in (
        WordVocab(("Piet",)),
        WordVocab(("piet",), ignore_case=True, fall_back=False),
        WordVocab(("Piet",), extension=WordVocab(("Jan",), fall_back=False)),
    ):
        assert WordVocab.from_json(json.loads(json.dumps(vocab.as_json()))) == vocab


def test_vocabulary_survives_json(load):
    ner = ("Piet/B-PER woont/O", "in/O Gent/B-LOC")
    corpus = load(
        {
            "xho.ner": {"train": ner, "dev": ner},
            "zul.pos": {"train": ("ŵ/X",), "dev": ("die/DET hond/NOUN",)},
        },
        vectors=["Gent", "gent"],
        embedding={"ignore_case": True},
    )
    vocabulary = corpus.vocabulary
    restored = Vocabulary.from_json(json.loads(json.dumps(vocabulary.as_json())))
    assert restored == vocabulary
    assert restored.sizes == vocabulary.sizes
    words = ["Gent", "GENT", "piet", "nobody"]
    for table in vocabulary.words:
        assert restored.words[table].rows(words).tolist() == vocabulary.words[table].rows(words).tolist()
    rows = [copy.characters.rows(words)[0].tolist() for copy in (restored, vocabulary)]
    assert rows[0] == rows[1]
