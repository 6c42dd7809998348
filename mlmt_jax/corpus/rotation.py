"""Rotation of the word vectors of one language onto those of another, by words spelled alike in both."""

import numpy as np

from mlmt_jax.config import EmbeddingConfig
from mlmt_jax.corpus.vectors import Vectors
from mlmt_jax.corpus.word_tables import VectorFile

#: Fewer words spelled alike in both files do not determine a rotation.
MIN_PAIRS = 100


def rotate_onto(
    target: EmbeddingConfig, target_file: VectorFile, spec: EmbeddingConfig, file: VectorFile
) -> VectorFile:
    """Rotate the vectors of a component's file onto those of the target's file.

    The first `max_words` of each file count, so that the rotation does not depend on a sample. Vectors of
    another dimension and files with too few words in common stay as they are; the latter is a finding.

    Args:
        target: the target's component.
        target_file: its vectors.
        spec: the component whose vectors are rotated.
        file: its vectors.
    """
    if spec.dimension != target.dimension:
        return file
    rotation, count = fit_rotation(_head(file.vectors, spec), _head(target_file.vectors, target))
    if rotation is None:
        file.findings.note(
            f"its vectors are not rotated onto those of {target_file.findings.path}: only {count} words are "
            f"spelled alike in both (expected {MIN_PAIRS} or more)"
        )
        return file
    vectors = file.vectors._replace(matrix=file.vectors.matrix @ rotation)
    return file._replace(vectors=vectors, rotation=rotation)


def _head(vectors: Vectors, spec: EmbeddingConfig) -> Vectors:
    """Return the first `max_words` vectors: those read whatever the sentences of a sample are."""
    return Vectors(vectors.words[: spec.max_words], vectors.matrix[: spec.max_words])


def fit_rotation(source: Vectors, target: Vectors) -> tuple[np.ndarray | None, int]:
    """Fit the orthogonal matrix W that brings the unit vectors of words spelled alike nearest to each other.

        W = argmin sum_i |x_i W - y_i|^2 = U V',   U S V' = svd(sum_i x_i' y_i)

    The pairs are the words of more than one character that both have. Applied to vectors of any length, W
    keeps the length (Schoenemann 1966; Xing et al. 2015 for word vectors).

    Args:
        source: words with vectors of dimension d, those to be rotated.
        target: words with vectors of the same dimension.

    Returns:
        (d, d) float32, or None for fewer than `MIN_PAIRS` pairs; and the number of pairs.
    """
    rows = {word: row for row, word in enumerate(target.words)}
    pairs = [(i, rows[word]) for i, word in enumerate(source.words) if len(word) > 1 and word in rows]
    if len(pairs) < MIN_PAIRS:
        return None, len(pairs)
    indices = np.array(pairs).T
    x, y = _unit(source.matrix[indices[0]]), _unit(target.matrix[indices[1]])
    u, _, vt = np.linalg.svd(x.T @ y)
    return (u @ vt).astype(np.float32), len(pairs)


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors scaled to length 1, float64; those of length 0 stay."""
    vectors = vectors.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)
