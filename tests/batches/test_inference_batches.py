"""Inference batches: every distinct word once, every sentence once, in few shapes."""

from itertools import pairwise

import numpy as np
import pytest
from batch_checks import assert_packed, make_sentences
from dense import DenseSentence, encode_dense
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmt_jax.batches.inference_batches import batch_shapes, sorted_batches, word_blocks


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
    assert size in {64, 1024}
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
    bounds, shapes = sentences.bounds, batch_shapes(len(lengths), batch_size)
    batch_indices, longest = [], []
    for indices, word_ids, batch in sorted_batches(sentences, shapes):
        batch_indices.append(indices.tolist())
        longest.append(max(lengths[i] for i in indices))
        rows, n = batch.packed_index.shape
        [shape] = {shape for shape in shapes if (shape.rows, shape.sentence_words) == (rows, n)}
        assert len(indices) <= rows <= batch_size
        assert all(n == 512 or lengths[i] <= n == 64 for i in indices)
        packed_words = shape.packed_words + rows
        assert {len(word_ids), len(batch.dropout_ids), len(batch.reversal)} == {packed_words}
        assert batch.lengths.tolist() == [*(lengths[i] for i in indices), *[0] * (rows - len(indices))]
        for row, i in enumerate(indices):
            start, end = bounds[i]
            index = batch.packed_index[row, : lengths[i]]
            np.testing.assert_array_equal(word_ids[index], sentences.word_ids[start:end])
            np.testing.assert_array_equal(batch.tags[row, : lengths[i]], sentences.tags[start:end])
        assert_packed(word_ids, batch)
    assert sorted(i for batch in batch_indices for i in batch) == list(range(len(lengths)))
    assert all(a <= b for a, b in pairwise(longest))


def rows_of_batches(lengths: list[int], batch_size: int) -> list[tuple[int, int]]:
    """Return the number of sentences and of rows of each batch."""
    sentences = encode_dense(make_sentences(lengths))
    batches = sorted_batches(sentences, batch_shapes(len(lengths), batch_size))
    return [(len(indices), batch.packed_index.shape[0]) for indices, _, batch in batches]


def test_a_batch_closes_when_its_rows_or_words_are_full():
    # 32 rows have room for 512 words.
    assert rows_of_batches([10] * 70, 32) == [(32, 32), (32, 32), (6, 32)]
    assert rows_of_batches([40] * 30, 32) == [(12, 32), (12, 32), (6, 32)]


def test_batches_of_long_sentences_have_fewer_rows():
    assert rows_of_batches([20] * 30 + [100] * 8, 32) == [(25, 32), (5, 32), (4, 4), (4, 4)]
    assert rows_of_batches([512], 32) == [(1, 1)]


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (2, 16), (16, 16), (17, 20), (20, 20)])
def test_few_sentences_get_few_rows(count, rows):
    assert rows_of_batches([3] * count, 20) == [(count, rows)]
