"""What evaluation and tagging run: every distinct word once, every sentence once, in few shapes."""

from itertools import pairwise

import numpy as np
import pytest
from batch_checks import assert_packed, make_sentences
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmt_jax.batches.inference_batches import Piece, sorted_batches, word_blocks
from mlmt_jax.batches.packing import Contents, Encoded, collect


def pieces_of(contents: Contents) -> list[Piece]:
    return [Piece(contents.tokens[start:end], contents.tags[start:end]) for start, end in contents.bounds]


def lines(sentences: list[Encoded]) -> set[tuple[int, ...]]:
    """The distinct words, each as its row and its characters."""
    return {
        (int(row), *chars[chars > 0].tolist())
        for own in sentences
        for row, chars in zip(own.words, own.chars, strict=True)
    }


@given(st.lists(st.integers(0, 40), max_size=60), st.sampled_from([1, 12, 64]), st.integers(0, 3))
@settings(max_examples=60)
def test_blocks_hold_every_distinct_word_once(lengths, longest_word, seed):
    sentences = make_sentences(lengths, seed, longest_word)
    contents = collect(sentences)
    found, sizes = [], []
    for count, words in word_blocks(contents):
        letters = int(words.ends[count - 1]) if count else 0
        starts = [0, *words.ends]
        assert np.all(words.owners[letters:] == len(words.words) - 1)
        assert not np.any(words.chars[letters:])
        assert np.all(np.diff(words.rows[: len(np.unique(words.rows[words.words[:count]]))]) > 0)
        for i in range(count):
            assert np.all(words.owners[starts[i] : words.ends[i]] == i)
            own = words.chars[starts[i] : words.ends[i]].tolist()
            found.append((int(words.rows[words.words[i]]), *own))
        sizes.append((len(words.words), len(words.chars)))
    # In the order in which the sentences' tokens count them.
    rows = contents.rows[contents.words]
    assert [line[0] for line in found] == rows.tolist()
    assert len(found) == len(set(found))
    assert set(found) == lines(sentences)
    assert len(set(sizes)) == 1
    [(size, letters)] = set(sizes)
    assert size in {16, 64, 256, 1024}
    assert letters == 8 * size


def test_many_words_fill_their_blocks():
    contents = collect(make_sentences([40] * 200, longest_word=12))
    counts = [count for count, _ in word_blocks(contents)]
    assert sum(counts) == len(contents.words) > 5000
    # Of 6.5 characters in the mean, they are closed by the number of words.
    assert counts[:-1] == [1024] * (len(counts) - 1)
    contents = collect(make_sentences([40] * 100, longest_word=30))
    letters = [int(words.ends[count - 1]) for count, words in word_blocks(contents)]
    assert all(8 * 1024 - 30 < each <= 8 * 1024 for each in letters[:-1])


@given(st.lists(st.integers(0, 140), max_size=40), st.integers(1, 20))
@settings(max_examples=40)
def test_sorted_batches_hold_every_sentence_once_by_length(lengths, batch_size):
    pieces = pieces_of(collect(make_sentences(lengths)))
    seen, longest, programs = [], [], {}
    for chosen, tokens, batch in sorted_batches(pieces, batch_size):
        seen.append(chosen.tolist())
        longest.append(max(lengths[i] for i in chosen))
        rows, n = batch.position.shape
        most = batch_size if n <= 32 else max(1, batch_size * 32 // n)
        assert rows in {1, 4, 16, most}
        assert len(chosen) <= rows <= most
        assert n in {16, 32, 64, 128, 256}
        room = rows * n if rows < most or rows == 1 else -(-3 * rows * n // 4)
        assert {len(tokens), len(batch.places), len(batch.back)} == {room + rows}
        if rows == most:
            programs.setdefault(n, set()).add(rows)
        assert batch.lengths.tolist() == [*(lengths[i] for i in chosen), *[0] * (rows - len(chosen))]
        for row, i in enumerate(chosen):
            at = batch.position[row, : lengths[i]]
            np.testing.assert_array_equal(tokens[at], pieces[i].tokens)
            np.testing.assert_array_equal(batch.tags[row, : lengths[i]], pieces[i].tags)
        assert_packed(tokens, batch)
    assert sorted(i for batch in seen for i in batch) == list(range(len(lengths)))
    assert all(len(sizes) == 1 for sizes in programs.values())
    assert all(a <= b for a, b in pairwise(longest))


def shapes(lengths: list[int], batch_size: int) -> list[tuple[int, int]]:
    """Of each batch its sentences, and the rows that it has for them."""
    batches = sorted_batches(pieces_of(collect(make_sentences(lengths))), batch_size)
    return [(len(chosen), batch.position.shape[0]) for chosen, _, batch in batches]


def test_full_batches_have_as_many_words_as_there_is_room_for():
    found = shapes([16] * 40 + [10] * 40, 8)
    # Of ten words all 8 sentences; of sixteen, three of four.
    assert found[:5] == [(8, 8)] * 5
    assert found[5:12] == [(6, 8)] * 6 + [(4, 4)]


def test_batches_of_long_sentences_have_fewer():
    assert shapes([40] * 16, 16) == [(8, 8)] * 2
    assert shapes([20] * 16 + [100] * 8, 16) == [(16, 16)] + [(3, 4)] * 2 + [(2, 4)]


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (2, 4), (4, 4), (5, 16), (17, 20), (20, 20)])
def test_a_few_sentences_do_not_pay_for_a_whole_batch(count, rows):
    assert shapes([3] * count, 20) == [(count, rows)]
