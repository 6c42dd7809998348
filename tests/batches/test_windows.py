"""Windows: results of long sentences are whole, and batches stay small."""

from typing import Any

import numpy as np
import pytest
from dense import DenseSentence, encode_dense

from mlmt_jax.batches.windows import CONTEXT, LONGEST, Programs, cut, run_programs
from mlmt_jax.types import DistinctWords, PackedSentences

REACH = 3  # words on either side that an emission depends on


def sentence(n: int, seed: int = 0) -> DenseSentence:
    random = np.random.default_rng((seed, n))
    return DenseSentence(
        random.integers(1, 50, n).astype(np.int32), np.ones((n, 2), np.int32), np.arange(n, dtype=np.int32)
    )


def nearby(words: np.ndarray) -> np.ndarray:
    """Return (n, 2): each word, and the sum of the words within reach."""
    padded = np.pad(words, REACH)
    return np.stack([words, sum(padded[k : k + len(words)] for k in range(2 * REACH + 1))], 1)


class Recorder:
    """Programs that record the shapes of their arguments."""

    def __init__(self):
        self.shapes: list[tuple[str, tuple[int, ...]]] = []

    def features(self, words: DistinctWords) -> np.ndarray:
        return np.asarray(words.table_rows)[words.row_index][:, None]

    def emissions(self, x: np.ndarray, batch: PackedSentences) -> np.ndarray:
        self.shapes.append(("emissions", np.shape(batch.packed_index)))
        return self._emissions(x, batch)

    def _emissions(self, x: np.ndarray, batch: PackedSentences) -> np.ndarray:
        packed_index = np.asarray(batch.packed_index)
        words = np.append(x[:, 0], 0)[packed_index]
        out = np.full((*words.shape, 2), -1)
        for row, length in enumerate(batch.lengths):
            out[row, :length] = nearby(words[row, :length])
        return out

    def read(self, scores: Any, lengths: Any, gold: Any) -> tuple[np.ndarray, ...]:
        self.shapes.append(("read", scores.shape))
        assert np.all(scores[0, lengths[0] :] == 0)
        return scores, lengths, gold

    def whole(self, x: np.ndarray, batch: PackedSentences) -> tuple[np.ndarray, ...]:
        self.shapes.append(("whole", np.shape(batch.packed_index)))
        return self._emissions(x, batch), np.asarray(batch.lengths), np.asarray(batch.tags)

    def run(self, sentences: list[DenseSentence], batch_size: int = 8) -> list[tuple[np.ndarray, ...]]:
        programs = Programs(self.features, self.whole, self.emissions, self.read)
        return run_programs(encode_dense(sentences), batch_size, programs)


@pytest.mark.parametrize("n", [1, 383, 384, 385, 447, 448, 449, 513, 768, 3000])
def test_windows_keep_every_word_once_with_its_context(n: int) -> None:
    whole = sentence(n)
    kept_tags, first = [], 0
    for window in cut(n):
        tags = whole.tags[window.start : window.end]
        assert len(tags) <= LONGEST
        assert window.skip == min(CONTEXT, first)
        context_after = len(tags) - window.skip - window.keep
        assert context_after == min(CONTEXT, n - first - window.keep)
        kept_tags.append(tags[window.skip : window.skip + window.keep])
        first += window.keep
    np.testing.assert_array_equal(np.concatenate(kept_tags), np.arange(n))


def test_results_are_in_the_order_of_the_sentences() -> None:
    lengths = [4, 3000, 0, LONGEST, LONGEST + 1, 17, 900, 5000, 1]
    sentences = [sentence(n, i) for i, n in enumerate(lengths)]
    recorder = Recorder()
    for expected, (scores, length, gold) in zip(sentences, recorder.run(sentences), strict=True):
        n = len(expected.words)
        assert length == n
        np.testing.assert_array_equal(scores[:n], nearby(expected.words).reshape(n, 2))
        np.testing.assert_array_equal(gold[:n], expected.tags)
    assert max(shape[1] for program, shape in recorder.shapes if program != "read") == LONGEST


def test_a_very_long_sentence_needs_no_larger_batch() -> None:
    recorder = Recorder()
    [(scores, _, _)] = recorder.run([sentence(200_000)])
    assert scores.shape == (1 << 18, 2)
    np.testing.assert_array_equal(scores[:200_000], nearby(sentence(200_000).words))
    batches = [shape for program, shape in recorder.shapes if program == "emissions"]
    assert len(set(batches)) <= 3
    assert max(rows * n for rows, n in batches) <= 16 * LONGEST
    # Linear: the words that are read are no more than those that are kept, and their contexts.
    assert sum(rows * n for rows, n in batches) < 1.4 * 200_000


def test_windows_of_several_sentences_share_batches() -> None:
    recorder = Recorder()
    recorder.run([sentence(600, i) for i in range(64)])
    batches = [shape for program, shape in recorder.shapes if program == "emissions"]
    assert batches == [(16, LONGEST)] * 8


def test_no_sentences_give_no_results() -> None:
    assert Recorder().run([]) == []
