"""Vectors of out-of-vocabulary words, from a file of the same training as the vectors of a run."""

import itertools
import sys
from pathlib import Path

import numpy as np

from mlmt_jax.corpus.vectors import Vectors, read_vectors
from mlmt_jax.corpus.vocabulary import WordVocab
from mlmt_jax.errors import DataError

# Words whose vectors in the file are compared with the run's. Training moves few of them far: 1% of the words
# of the training data fall below a cosine of 0.92. Words that had no vector started from random numbers, so
# the nearest tenth decides. CBOW vectors of two languages have cosines of 0.5 to 0.75 at that quantile.
_MAX_COMPARED, _MIN_COMPARED = 1000, 20
_QUANTILE, _MIN_COSINE = 0.9, 0.9


def read_oov_vectors(
    path: str | Path, vocabulary: WordVocab, table: np.ndarray, rotation: np.ndarray | None = None
) -> Vectors:
    """Read the words of a vector file of which a word table knows no form, and their vectors.

    Args:
        path: a vector file of the same training as the run's vectors.
        vocabulary: the words of the table.
        table: (rows, d) float32, the vectors of the run.
        rotation: (d, d) float32, by which the run's vectors were multiplied before training; None if they
            were not.

    Raises:
        DataError: if the file cannot be read, its dimension is not d, or its vectors of known words differ
            from the table's, as those of another training do.
    """
    common: dict[str, int] = {}  # rows of words of the table that the file has too

    def skip(word: str) -> bool:
        row = vocabulary.row(word)
        is_same = 0 < row <= len(vocabulary.words) and vocabulary.words[row - 1] == word
        if is_same and len(common) < _MAX_COMPARED:
            common[word] = row
            return False
        return row > 0

    vectors, _ = read_vectors(path, table.shape[1], max_words=sys.maxsize, skip=skip)
    if rotation is not None:
        vectors = vectors._replace(matrix=vectors.matrix @ rotation)
    is_new = np.array([word not in common for word in vectors.words], bool)
    if len(common) >= _MIN_COMPARED:
        pairs = table[list(common.values())], vectors.matrix[~is_new]
        lengths = np.prod(np.linalg.norm(pairs, axis=2), 0)
        cosine = np.quantile(np.prod(pairs, 0).sum(1) / np.where(lengths > 0, lengths, 1), _QUANTILE)
        if cosine < _MIN_COSINE:
            raise DataError(
                f"{path}: its vectors are of another training than the run's: of {len(common)} words that "
                f"both know, nine in ten have a cosine of at most {cosine:.2f};\n"
                f"expected one in ten with at least {_MIN_COSINE}"
            )
    return Vectors(list(itertools.compress(vectors.words, is_new)), vectors.matrix[is_new])
