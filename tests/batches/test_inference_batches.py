"""Inference batches: every distinct word once, every sentence once, in few shapes."""

from itertools import pairwise

import numpy as np
import pytest
from batch_checks import assert_packed, make_sentences
from dense import DenseSentence, encode_dense
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmt_jax.batches.inference_batches import sorted_batches, word_blocks


def spellings(sentences: list[DenseSentence]) -> set[tuple[int, ...]]:
    """Return the distinct words, each as its row and its characters."""
    return {
        (int(row), *chars[chars > 0].tolist())
        for sentence in sentences
        for row, chars in zip(sentence.words, sentence.chars, strict=True)
    }


@given(st.lists(st.integers(0, 40), max_size=60), st.sampled_from([1, 12, 64]), st.integers(0, 3))
@settings(max_examples=60)
def test_blocks_hold_every_distinct_word_once(lengths, longest_word, seed):
    sentences = make_sentences(lengths, seed, longest_word)
    words = encode_dense(sentences).words
    block_words, sizes = [], []
    for count, block in word_blocks(words):
        chars = int(block.segment_ends[count - 1]) if count else 0
        starts = [0, *block.segment_ends]
        assert np.all(block.segment_ids[chars:] == len(block.row_index) - 1)
        assert not np.any(block.chars[chars:])
        table_rows = block.table_rows[block.row_index[:count]]
        assert np.all(np.diff(block.table_rows[: len(np.unique(table_rows))]) > 0)
        for i in range(count):
            segment = slice(starts[i], block.segment_ends[i])
            assert np.all(block.segment_ids[segment] == i)
            block_words.append((int(table_rows[i]), *block.chars[segment].tolist()))
        sizes.append((len(block.row_index), len(block.chars)))
    # In the order of the word ids.
    assert [word[0] for word in block_words] == words.table_rows[words.row_index].tolist()
    assert len(block_words) == len(set(block_words))
    assert set(block_words) == spellings(sentences)
    assert len(set(sizes)) == 1
    [(size, chars)] = set(sizes)
    assert size in {16, 64, 256, 1024}
    assert chars == 8 * size


def test_many_words_fill_their_blocks():
    words = encode_dense(make_sentences([40] * 200, longest_word=12)).words
    counts = [count for count, _ in word_blocks(words)]
    assert sum(counts) == len(words.row_index) > 5000
    # With 6.5 characters on average, a block closes when its words are full.
    assert counts[:-1] == [1024] * (len(counts) - 1)
    words = encode_dense(make_sentences([40] * 100, longest_word=30)).words
    chars = [int(block.segment_ends[count - 1]) for count, block in word_blocks(words)]
    assert all(8 * 1024 - 30 < size <= 8 * 1024 for size in chars[:-1])


@given(st.lists(st.integers(0, 140), max_size=40), st.integers(1, 20))
@settings(max_examples=40)
def test_sorted_batches_hold_every_sentence_once_by_length(lengths, batch_size):
    sentences = encode_dense(make_sentences(lengths))
    bounds = sentences.bounds
    batch_indices, longest, programs = [], [], {}
    for indices, word_ids, batch in sorted_batches(sentences, batch_size):
        batch_indices.append(indices.tolist())
        longest.append(max(lengths[i] for i in indices))
        rows, n = batch.packed_index.shape
        most = batch_size if n <= 32 else max(1, batch_size * 32 // n)
        assert rows in {1, 4, 16, most}
        assert len(indices) <= rows <= most
        assert n in {16, 32, 64, 128, 256}
        room = rows * n if rows < most or rows == 1 else -(-3 * rows * n // 4)
        assert {len(word_ids), len(batch.dropout_ids), len(batch.reversal)} == {room + rows}
        if rows == most:
            programs.setdefault(n, set()).add(rows)
        assert batch.lengths.tolist() == [*(lengths[i] for i in indices), *[0] * (rows - len(indices))]
        for row, i in enumerate(indices):
            start, end = bounds[i]
            index = batch.packed_index[row, : lengths[i]]
            np.testing.assert_array_equal(word_ids[index], sentences.word_ids[start:end])
            np.testing.assert_array_equal(batch.tags[row, : lengths[i]], sentences.tags[start:end])
        assert_packed(word_ids, batch)
    assert sorted(i for batch in batch_indices for i in batch) == list(range(len(lengths)))
    assert all(len(sizes) == 1 for sizes in programs.values())
    assert all(a <= b for a, b in pairwise(longest))


def shapes(lengths: list[int], batch_size: int) -> list[tuple[int, int]]:
    """Return the number of sentences and of rows of each batch."""
    batches = sorted_batches(encode_dense(make_sentences(lengths)), batch_size)
    return [(len(indices), batch.packed_index.shape[0]) for indices, _, batch in batches]


def test_full_batches_close_when_their_words_are_full():
    batch_shapes = shapes([16] * 40 + [10] * 40, 8)
    # A batch has all 8 sentences of ten words, but only three quarters of those of sixteen.
    assert batch_shapes[:5] == [(8, 8)] * 5
    assert batch_shapes[5:12] == [(6, 8)] * 6 + [(4, 4)]


def test_batches_of_long_sentences_have_fewer_rows():
    assert shapes([40] * 16, 16) == [(8, 8)] * 2
    assert shapes([20] * 16 + [100] * 8, 16) == [(16, 16)] + [(3, 4)] * 2 + [(2, 4)]


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (2, 4), (4, 4), (5, 16), (17, 20), (20, 20)])
def test_few_sentences_get_few_rows(count, rows):
    assert shapes([3] * count, 20) == [(count, rows)]
