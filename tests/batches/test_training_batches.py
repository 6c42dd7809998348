"""Training batches: every sentence once per epoch, unchanged, in few shapes, as a function of the step."""

from itertools import combinations

import numpy as np
from batch_checks import CHARACTER_ROWS, WORD_ROWS, assert_packed, make_sentences
from dense import dense_chars, dense_words, encode_dense, pack_dense
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmt_jax.batches.packing import Needs, SharedLayout, assemble, batch_needs, largest_needs
from mlmt_jax.batches.shapes import Shape
from mlmt_jax.batches.training_batches import OovReplacement, TrainingBatches
from mlmt_jax.types import Batch, batch_axes

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=50)


NO_WORDS, NO_CHARACTERS = np.zeros(WORD_ROWS, bool), np.zeros(CHARACTER_ROWS, bool)
NO_OOV = OovReplacement(0.0, NO_WORDS, NO_CHARACTERS)


def make_batches(sentences, batch_size: int, *, seed=7, name="task", oov=NO_OOV) -> TrainingBatches:
    return TrainingBatches(name, encode_dense(sentences), batch_size, seed, oov, expected_steps=1000.0)


def assert_contents(batch, sentences) -> None:
    """Check that a batch holds these sentences, in this order, and otherwise padding."""
    rows, n = batch.sentences.packed_index.shape
    longest = max((s.chars.shape[1] for s in sentences), default=0)
    words, chars = np.zeros((rows, n), int), np.zeros((rows, n, longest), int)
    tags, lengths = np.zeros((rows, n), int), np.zeros(rows, int)
    for i, sentence in enumerate(sentences):
        lengths[i] = len(sentence.words)
        for j in range(lengths[i]):
            words[i, j], tags[i, j] = sentence.words[j], sentence.tags[j]
            for k, char in enumerate(sentence.chars[j]):
                chars[i, j, k] = char
    np.testing.assert_array_equal(dense_words(batch), words)
    np.testing.assert_array_equal(batch.sentences.lengths, lengths)
    np.testing.assert_array_equal(batch.sentences.tags, tags)
    batch_chars = dense_chars(batch)
    width = max(batch_chars.shape[2], longest)
    wide = lambda values: np.pad(values, [(0, 0), (0, 0), (0, width - values.shape[2])])
    np.testing.assert_array_equal(wide(batch_chars), wide(chars))
    dtypes = batch_axes(
        words=np.dtype(np.int32), sentences=np.dtype(np.int32), step_starts=np.dtype(np.int32)
    )
    dtypes = dtypes._replace(sentences=dtypes.sentences._replace(dropout_ids=np.dtype(np.uint32)))
    assert tuple(array.dtype for array in batch.arrays) == dtypes.arrays
    assert_packed(batch.word_ids, batch.sentences)
    # Every word is stored once, and so is every row of the table.
    inside = np.arange(n) < lengths[:, None]
    spellings = {(row, tuple(word)) for row, word in zip(words[inside], chars[inside].tolist(), strict=True)}
    used = set(batch.word_ids[batch.sentences.packed_index[inside]].tolist())
    distinct = batch.words
    assert len(used) == len(spellings) <= len(distinct.row_index)
    assert len(distinct.row_index) == len(distinct.table_rows) == len(distinct.segment_ends)
    rows = sorted({row for row, _ in spellings})
    np.testing.assert_array_equal(distinct.table_rows, [*rows, *[0] * (len(distinct.table_rows) - len(rows))])
    # Characters are stored word by word.
    end = int(max(distinct.segment_ends, default=0))
    sizes = np.diff(distinct.segment_ends[: len(spellings)], prepend=0)
    np.testing.assert_array_equal(distinct.segment_ids[:end], np.repeat(np.arange(len(spellings)), sizes))
    assert np.all(distinct.segment_ids[end:] == len(distinct.row_index) - 1)
    assert not np.any(distinct.chars[end:])


def assert_same(a: Batch, b: Batch) -> None:
    for x, y in zip(a.arrays, b.arrays, strict=True):
        np.testing.assert_array_equal(x, y)


def test_padding_is_zero_and_left_over_rows_have_length_zero():
    sentences = make_sentences([3, 1, 5])
    sentences[1] = sentences[1]._replace(tags=np.array([-1], np.int32))
    assert_contents(pack_dense(sentences, 5, 7, more=9), sentences)
    assert_contents(pack_dense([], 2, 3, more=4), [])


def test_a_word_without_characters_has_character_0():
    [sentence] = make_sentences([3])
    bare = sentence._replace(words=np.array([4, 5, 4], np.int32), chars=np.zeros((3, 0), np.int32))
    batch = pack_dense([bare], 1, 4)
    np.testing.assert_array_equal(batch.words.segment_ends, [1, 2])
    np.testing.assert_array_equal(batch.words.chars, [0, 0])


def test_largest_needs_has_the_maximum_of_each_size():
    first, second = Needs(np.array([5, 1]), 2, 9), Needs(np.array([3, 2, 1]), 5, 4)
    for needs in ([first, second], [second, first]):
        lengths, distinct_words, chars = largest_needs(needs)
        assert (lengths.tolist(), distinct_words, chars) == ([5, 2, 1], 5, 9)


@given(LENGTHS, st.integers(1, 4), st.integers(0, 9))
@settings(max_examples=30)
def test_sentences_are_dealt_out_to_parts_of_one_layout(lengths, parts, more):
    sentences = make_sentences(lengths)
    rows = -(-len(lengths) // parts) * parts
    encoded, shorter = encode_dense(sentences), encode_dense(make_sentences(lengths[:3], 1))
    needs = largest_needs([batch_needs(encoded, rows), batch_needs(shorter, rows)])
    need = needs.shape(parts)
    whole = pack_dense(sentences, rows, need.sentence_words).sentences
    batch = assemble(
        encoded, rows, Shape(*(size + more for size in need)), SharedLayout(needs.lengths, parts)
    )
    packed, step_starts = batch.sentences, batch.sentences.step_starts
    sentence_numbers = []
    for part in range(parts):
        word_ids, dropout_ids, reversal = (
            batch.word_ids[part],
            packed.dropout_ids[part],
            packed.reversal[part],
        )
        packed_index = packed.packed_index[part]
        assert len(packed.lengths[part]) == rows // parts
        for row, length in enumerate(packed.lengths[part]):
            index = packed_index[row, :length]
            # Words of one number are neighbours, in the order of the sentences, where the layout says.
            np.testing.assert_array_equal(index, step_starts[:length] + row)
            assert np.all(packed_index[row, length:] == len(word_ids))
            np.testing.assert_array_equal(reversal[index], index[::-1])
            np.testing.assert_array_equal(dropout_ids[index] & 0xFFFF, np.arange(length))
            if length:
                [sentence] = set((dropout_ids[index] >> 16).tolist())
                sentence_numbers.append(sentence)
                words = batch.words.table_rows[batch.words.row_index][word_ids[index]]
                np.testing.assert_array_equal(words, sentences[sentence].words)
                np.testing.assert_array_equal(packed.tags[part, row, :length], whole.tags[sentence, :length])
        assert step_starts[-1] + rows // parts <= len(word_ids)
    assert sorted(sentence_numbers) == list(range(len(sentences)))


@given(LENGTHS, st.integers(1, 20), st.integers(0, 3))
@settings(max_examples=40)
def test_an_epoch_has_every_sentence_once_in_batches_of_nearly_one_size(lengths, batch_size, seed):
    sentences = make_sentences(lengths)
    batches = make_batches(sentences, batch_size, seed=seed)
    per_epoch = batches.batches_per_epoch
    assert per_epoch == (len(lengths) + batch_size - 1) // batch_size
    for epoch in range(3):
        chosen = [batches.indices(epoch * per_epoch + i).tolist() for i in range(per_epoch)]
        assert sorted(i for batch in chosen for i in batch) == list(range(len(lengths)))
        sizes = [len(batch) for batch in chosen]
        assert max(sizes) <= batch_size
        assert max(sizes) - min(sizes) <= 1
        # Of two batches, one's sentences are the shorter ones, but for a jitter of less than four words.
        spans = [(min(lengths[i] for i in batch), max(lengths[i] for i in batch)) for batch in chosen]
        assert all(min(a[1] - b[0], b[1] - a[0]) < 4 for a, b in combinations(spans, 2))


@given(LENGTHS, st.integers(1, 20))
@settings(max_examples=20)
def test_training_batches_hold_their_sentences_in_few_shapes(lengths, batch_size):
    sentences = make_sentences(lengths, longest_word=40)
    batches = make_batches(sentences, batch_size)
    shapes = set()
    for step in range(4 * batches.batches_per_epoch):
        batch = batches.batch(step)
        assert_contents(batch, [sentences[i] for i in batches.indices(step)])
        shapes.add(shape_of(batch))
    assert shapes <= set(batches.padding.shapes)
    assert len(batches.padding.shapes) <= 2
    largest = max(len(batches.indices(step)) for step in range(batches.batches_per_epoch))
    assert batch.sentences.lengths.shape == (largest,)


def shape_of(batch) -> Shape:
    words = batch.words
    n = batch.sentences.packed_index.shape[1]
    return Shape(n, len(batch.word_ids), len(words.row_index), len(words.chars))


def test_a_batch_depends_only_on_seed_task_and_step():
    random = np.random.default_rng(3)
    sentences = make_sentences(random.integers(1, 25, 47))
    rare = random.random(WORD_ROWS) < 0.5, random.random(CHARACTER_ROWS) < 0.5
    rare[0][0] = rare[1][0] = rare[1][1] = False
    make = lambda **kwargs: make_batches(sentences, 6, oov=OovReplacement(0.3, *rare), **kwargs)
    steps = list(range(5 * make().batches_per_epoch))
    in_order = make()
    expected = [in_order.batch(step) for step in steps]
    shuffled = make()
    for step in random.permutation(steps):
        assert_same(shuffled.batch(step), expected[step])
    assert_same(make().batch(steps[-1]), expected[-1])

    orders = [
        [batches.indices(step).tolist() for step in steps]
        for batches in (make(), make(seed=8), make(name="other task"))
    ]
    assert all(a != b for a, b in combinations(orders, 2))
    per_epoch = make().batches_per_epoch
    epochs = [orders[0][start : start + per_epoch] for start in steps[::per_epoch]]
    assert all(a != b for a, b in combinations(epochs, 2))


def test_an_epoch_begins_with_sentences_of_any_length():
    lengths = np.repeat([2, 10, 20, 30], 5)
    batches = make_batches(make_sentences(lengths), 5)
    firsts = {lengths[batches.indices(4 * epoch)].max() for epoch in range(30)}
    assert firsts == {2, 10, 20, 30}


def test_words_and_characters_seen_once_are_replaced_at_the_configured_rate():
    random = np.random.default_rng(5)
    sentences = make_sentences(random.integers(1, 20, 38))
    rare_words = np.arange(WORD_ROWS) % 3 == 1
    rare_characters = np.arange(CHARACTER_ROWS) % 3 == 2
    rate, steps = 0.15, 300
    batches = make_batches(sentences, 10, oov=OovReplacement(rate, rare_words, rare_characters))
    plain = make_batches(sentences, 10)
    for field, rare, unknown in ((dense_words, rare_words, 0), (dense_chars, rare_characters, 1)):
        replaced = could = 0
        outcomes = set()
        for step in range(steps):
            before, after = (field(b.batch(step)) for b in (plain, batches))
            if field is dense_chars:
                before, after = (
                    part[..., : min(before.shape[2], after.shape[2])] for part in (before, after)
                )
            changed, allowed = before != after, rare[before]
            assert not (changed & ~allowed).any()  # padding is never rare, either
            assert (after[changed] == unknown).all()
            replaced += changed.sum()
            could += allowed.sum()
            outcomes |= set(zip(before[allowed].tolist(), changed[allowed].tolist(), strict=True))
        spread = np.sqrt(rate * (1 - rate) / could)
        assert abs(replaced / could - rate) < 4 * spread
        # Drawn anew at each step: every rare one is sometimes itself and sometimes the unknown one.
        rows = {row for row, _ in outcomes}
        assert outcomes == {(row, changed) for row in rows for changed in (False, True)}
        assert rows == set(np.flatnonzero(rare))
    for step in range(20):
        a, b = plain.batch(step), batches.batch(step)
        np.testing.assert_array_equal(a.sentences.lengths, b.sentences.lengths)
        np.testing.assert_array_equal(a.sentences.tags, b.sentences.tags)


def test_each_batch_of_an_epoch_draws_other_oov_words():
    every = np.ones(WORD_ROWS, bool)
    batches = make_batches(make_sentences([20] * 8), 2, oov=OovReplacement(0.5, every, NO_CHARACTERS))
    unknown = [(dense_words(batches.batch(step)) == 0).ravel().tolist() for step in range(4)]
    assert all(first != second for first, second in combinations(unknown, 2))


def test_rate_zero_replaces_nothing():
    sentences = make_sentences([4, 9, 2])
    every = np.ones(WORD_ROWS, bool), np.ones(CHARACTER_ROWS, bool)
    batches = make_batches(sentences, 2, oov=OovReplacement(0.0, *every))
    for step in range(10):
        assert_contents(batches.batch(step), [sentences[i] for i in batches.indices(step)])
