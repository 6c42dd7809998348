"""Words and their fall-backs, characters, and the table that a vector file and training words make."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmt_jax.corpus.vectors import Vectors
from mlmt_jax.corpus.vocabulary import (
    MAX_CHARACTERS,
    CharacterVocab,
    WordVocab,
    build_word_vocab,
    fallback_forms,
)

# Few letters, so that random words often differ in accents' writing, case or digits alone; ٣ is a digit too.
WORDS = st.text("aAåB17٣\u030a", min_size=1, max_size=3)
TABLES = st.lists(WORDS, unique=True, max_size=12)


def composed(word: str) -> str:
    return word.replace("a\u030a", "å").replace("A\u030a", "Å")


def lowered(word: str) -> str:
    return composed(word).lower()


def zeroed(word: str) -> str:
    return "".join("0" if char.isdecimal() else char for char in lowered(word))


def search(table, word: str) -> int:
    """Walk through the table for each reading of the word; the reading itself comes before its likes."""
    for reading in (str, composed, lowered, zeroed):
        wanted = reading(word)
        likes = [wanted, *(known for known in table if reading(known) == wanted)]
        for like in likes:
            if like in table:
                return table.index(like) + 1
    return 0


def vectors_of(words: list[str], dimension: int = 3) -> Vectors:
    """Vectors that tell their word's place in the file: 1, 1.5, 2.5, ..."""
    matrix = np.arange(len(words) * dimension, dtype=np.float32).reshape(-1, dimension) + 0.5
    return Vectors(words, matrix)


def test_forms_of_a_word():
    assert fallback_forms("Route-66a") == ("Route-66a", "Route-66a", "route-66a", "route-00a")
    assert fallback_forms("A\u030a1") == ("A\u030a1", "Å1", "å1", "å0")


@pytest.mark.parametrize(
    ("table", "word", "found"),
    [
        (["Piet", "piet", "PIET"], "PIET", "PIET"),
        (["Piet", "piet"], "PIET", "piet"),  # the lower-case form, though another comes first
        (["PIET", "Piet"], "piet", "PIET"),  # of those that are equal in lower case, the first
        (["1994", "0000"], "1994", "1994"),
        (["1994", "0000"], "1871", "0000"),
        (["1994", "2001"], "1871", "1994"),
        (["a00", "A12"], "a12", "A12"),  # case is given up before digits are
        (["a00", "A12"], "A34", "a00"),
        (["00"], "000", None),
        (["é"], "e", None),
        (["é"], "e\u0301", "é"),
        (["e\u0301"], "é", "e\u0301"),
        (["é", "É"], "E\u0301", "É"),  # how accents are written is given up before case is
        ([], "a", None),
        (["a"], "", None),
    ],
)
def test_a_word_falls_back_to_lower_case_and_then_to_digits_as_zero(table, word, found):
    expected = table.index(found) + 1 if found else 0
    assert WordVocab(tuple(table)).row(word) == expected


def test_ignoring_case_prefers_the_lower_case_word_to_the_exact_one():
    table = ("Piet", "piet")
    assert WordVocab(table).row("Piet") == 1
    assert WordVocab(table, ignore_case=True).row("Piet") == 2


@given(TABLES, st.lists(WORDS, max_size=8), st.booleans())
@settings(max_examples=150)
def test_rows_are_those_of_a_walk_through_the_table(table, words, ignore_case):
    vocab = WordVocab(tuple(table), ignore_case)
    rows = vocab.rows([*words, *table])
    readings = [word.lower() if ignore_case else word for word in [*words, *table]]
    assert rows.tolist() == [search(table, word) for word in readings]
    assert rows.dtype == np.int32
    assert vocab.size == len(table) + 1


@given(TABLES, TABLES, st.lists(WORDS, max_size=8), st.booleans())
@settings(max_examples=100)
def test_more_words_come_before_the_unknown_one(table, more, words, ignore_case):
    alone, other = WordVocab(tuple(table), ignore_case), WordVocab(tuple(more))
    vocab = WordVocab(tuple(table), ignore_case, more=other)
    assert vocab.size == 1 + len(table) + len(more)
    for word in [*words, *table, *more]:
        beyond = other.row(word)
        assert vocab.row(word) == (alone.row(word) or (len(table) + beyond if beyond else 0))
    # What the table knows needs no place in the other one.
    lean = tuple(word for word in more if not alone.row(word))
    found = WordVocab(tuple(table), ignore_case, more=WordVocab(lean)).rows(words)
    names = ["", *table, *lean]
    assert [names[row] for row in found] == [["", *table, *more][row] for row in vocab.rows(words)]


def test_no_words_give_no_rows():
    rows = WordVocab(("a",)).rows([])
    assert (rows.shape, rows.dtype) == ((0,), np.int32)


def test_characters_of_words():
    vocab = CharacterVocab(("a", "b", "ŵ"))
    letters, sizes = vocab.letters(["ab", "", "ŵxaa", "A"])
    assert (letters.tolist(), sizes.tolist()) == ([2, 3, 0, 4, 1, 2, 2, 1], [2, 1, 4, 1])
    assert (letters.dtype, vocab.size) == (np.int32, 5)
    for words, expected in (([], []), ([""], [0]), (["b"], [3])):
        letters, sizes = vocab.letters(words)
        assert (letters.tolist(), sizes.tolist(), letters.dtype) == (expected, [1] * len(words), np.int32)


def test_a_word_is_read_in_the_normal_form_whose_characters_are_known():
    vocab = CharacterVocab(("a", "å", "e", "\u0301"))
    words = ["a\u030a", "é", "a\u030ae\u0301", "xa", "å"]
    letters, _ = vocab.letters(words)
    assert letters.tolist() == [3, 4, 5, 2, 1, 4, 5, 1, 2, 3]  # the third as it stands: no form knows more
    letters, _ = vocab.letters(words[:2], fall_back=False)
    assert letters.tolist() == [2, 1, 1]


def test_any_character_may_be_known_or_unknown():
    vocab = CharacterVocab(("a", "\ud800", "\U0010ffff"))
    letters, _ = vocab.letters(["a\U0010ffff\U0010fffe", "\ud800\udfff"])
    assert letters.tolist() == [2, 4, 1, 3, 1]
    letters, _ = CharacterVocab(()).letters(["\x00\U0010ffff"])
    assert letters.tolist() == [1, 1]


def test_the_end_of_a_very_long_word_is_not_read():
    vocab = CharacterVocab(("a", "b"))
    letters, sizes = vocab.letters(["a" * MAX_CHARACTERS + "b", "b"])
    assert letters.tolist() == [2] * MAX_CHARACTERS + [3]
    assert sizes.tolist() == [MAX_CHARACTERS, 1]


def test_the_files_words_come_first_and_then_training_words_by_frequency():
    counts = {"new": 1, "Cape": 2, "town": 9, "ash": 1, "often": 5}
    vocab, pretrained = build_word_vocab(
        counts, vectors_of(["the", "town", "Of"]), ignore_case=False, keep_file=True
    )
    assert vocab.words == ("the", "town", "Of", "often", "Cape", "ash", "new")
    assert pretrained is not None
    rows, matrix = pretrained
    assert rows.tolist() == [1, 2, 3]
    assert matrix.tolist() == [[0.5, 1.5, 2.5], [3.5, 4.5, 5.5], [6.5, 7.5, 8.5]]


def test_without_the_files_words_training_words_keep_their_vectors():
    counts = {"new": 1, "town": 9}
    vocab, pretrained = build_word_vocab(
        counts, vectors_of(["the", "town", "of"]), ignore_case=False, keep_file=False
    )
    assert vocab.words == ("town", "new")
    assert vocab.row("the") == 0
    assert pretrained is not None
    assert (pretrained[0].tolist(), pretrained[1].tolist()) == ([1], [[3.5, 4.5, 5.5]])


def test_a_vocabulary_may_know_its_own_words_alone():
    vocab = WordVocab(("Piet", "piet", "1994"), fall_back=False)
    assert vocab.rows(["Piet", "piet", "PIET", "1994", "1871"]).tolist() == [1, 2, 0, 3, 0]
    assert WordVocab(("piet",), ignore_case=True, fall_back=False).rows(["PIET", "p1"]).tolist() == [1, 0]
    further = WordVocab(("Piet",), fall_back=False, more=WordVocab(("piet",)))
    assert further.rows(["Piet", "PIET", "Jan"]).tolist() == [1, 2, 0]
    assert vocab.as_json()["fall_back"] is False
    assert "fall_back" not in WordVocab(("Piet",)).as_json()


def test_a_vocabulary_comes_back_from_json():
    for vocab in (
        WordVocab(("Piet",)),
        WordVocab(("piet",), ignore_case=True, fall_back=False),
        WordVocab(("Piet",), more=WordVocab(("Jan",), fall_back=False)),
    ):
        assert WordVocab.from_json(json.loads(json.dumps(vocab.as_json()))) == vocab


def test_a_training_word_starts_from_the_vector_that_it_falls_back_to():
    counts = {"TOWN": 3, "R77": 2, "lost": 1}
    file = vectors_of(["Town", "town", "r00"])
    vocab, pretrained = build_word_vocab(counts, file, ignore_case=False, keep_file=False)
    assert vocab.words == ("TOWN", "R77", "lost")
    assert pretrained is not None
    assert pretrained[0].tolist() == [1, 2]
    assert pretrained[1].tolist() == file.matrix[[1, 2]].tolist()


def test_without_a_file_there_are_training_words_and_no_vectors():
    vocab, pretrained = build_word_vocab({"a": 1, "B": 2}, None, ignore_case=False, keep_file=True)
    assert (vocab.words, pretrained) == (("B", "a"), None)


def test_ignoring_case_makes_one_word_of_many():
    counts = {"The": 2, "the": 2, "Piet": 3, "NEW": 1, "New": 4}
    file = vectors_of(["THE", "of", "the", "Piet"])
    vocab, pretrained = build_word_vocab(counts, file, ignore_case=True, keep_file=True)
    assert vocab.words == ("the", "of", "piet", "new")
    assert pretrained is not None
    assert pretrained[0].tolist() == [1, 2, 3]
    # The vector is the lower-case form's own where the file has it.
    assert pretrained[1].tolist() == file.matrix[[2, 1, 3]].tolist()


@given(TABLES, st.lists(WORDS, max_size=15), st.booleans(), st.booleans())
@settings(max_examples=150)
def test_every_training_word_is_known_and_every_vector_is_its_words(file_words, seen, ignore_case, keep_file):
    file = vectors_of(file_words)
    normal = str.lower if ignore_case else str
    vocab, pretrained = build_word_vocab(Counter(seen), file, ignore_case=ignore_case, keep_file=keep_file)
    known = {normal(word) for word in (seen + file_words if keep_file else seen)}
    assert len(vocab.words) == len(set(vocab.words))
    assert set(vocab.words) == known
    assert pretrained is not None
    given_vectors = {int(row): vector.tolist() for row, vector in zip(*pretrained, strict=True)}
    sources = {row: search(file_words, word) for row, word in enumerate(vocab.words, 1)}
    assert given_vectors == {row: file.matrix[place - 1].tolist() for row, place in sources.items() if place}
