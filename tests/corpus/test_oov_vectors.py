"""Vectors of out-of-vocabulary words come from a file of the same training, not of another."""

from pathlib import Path

import numpy as np
import pytest

from mlmt_jax.corpus.oov_vectors import read_oov_vectors
from mlmt_jax.corpus.vocabulary import WordVocab
from mlmt_jax.errors import DataError


@pytest.mark.parametrize(("opposite", "is_refused"), [(0, False), (7, False), (10, True)])
def test_a_file_of_another_training_is_refused(tmp_path: Path, opposite: int, is_refused: bool) -> None:
    """`opposite`: of ten words of the table, the number whose vectors in the file point the other way."""
    table = np.random.default_rng(0).normal(size=(101, 4)).astype(np.float32)
    words = [f"word{i}" for i in range(100)]
    vocabulary = WordVocab(tuple(words), fall_back=False)
    is_opposite = np.arange(100)[:, None] < 10 * opposite
    vectors = np.where(is_opposite, -table[1:], table[1:] + 0.01)
    path = tmp_path / "other.vec"
    lines = [f"{word} {' '.join(map(str, row))}" for word, row in zip(words, vectors, strict=True)]
    path.write_text("\n".join([*lines, "Zwolle 1 2 3 4", ""]), encoding="utf-8")
    if is_refused:
        with pytest.raises(DataError, match=r"another training.* of 100 words.* at most -1\.00;\n"):
            read_oov_vectors(path, vocabulary, table)
    else:
        oov = read_oov_vectors(path, vocabulary, table)
        assert oov.words == ["Zwolle"]
        assert oov.matrix.tolist() == [[1, 2, 3, 4]]
