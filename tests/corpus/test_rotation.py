"""Rotation of word vectors onto those of another language."""

import numpy as np
import pytest

from mlmt_jax.config import EmbeddingConfig
from mlmt_jax.corpus.rotation import MIN_PAIRS, fit_rotation, rotate_onto
from mlmt_jax.corpus.vectors import Vectors
from mlmt_jax.corpus.word_tables import VectorFile
from mlmt_jax.text.findings import Findings

DIMENSION, WORDS = 7, 300


def spec(name: str, dimension: int = DIMENSION, max_words: int = 400_000) -> EmbeddingConfig:
    return EmbeddingConfig(
        name=name, model="embedding", dimension=dimension, file=name, rotate=True, max_words=max_words
    )


def file(name: str, words: list[str], matrix: np.ndarray) -> VectorFile:
    return VectorFile(Vectors(words, matrix.astype(np.float32)), Findings(name))


def known_rotation() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors of many lengths, an orthogonal matrix, and the vectors times its inverse."""
    random = np.random.default_rng(3)
    matrix = random.normal(size=(WORDS, DIMENSION)) * random.uniform(0.1, 8, (WORDS, 1))
    rotation = np.linalg.qr(random.normal(size=(DIMENSION, DIMENSION)))[0]
    return matrix, rotation, matrix @ rotation.T


def test_a_known_rotation_is_recovered_and_lengths_are_kept() -> None:
    matrix, rotation, rotated = known_rotation()
    words = [f"word{i}" for i in range(WORDS)]
    # Other words of both files, in another order, of which those of one character are no pairs.
    order = np.random.default_rng(5).permutation(WORDS)
    source = file(
        "source", [*(words[i] for i in order), "a"], np.vstack([rotated[order], np.ones(DIMENSION)])
    )
    target = file("target", ["a", "of target", *words], np.vstack([-np.ones((2, DIMENSION)), matrix]))
    result = rotate_onto(spec("target"), target, spec("source"), source)
    assert result.rotation is not None
    np.testing.assert_allclose(result.rotation, rotation, atol=1e-5)
    np.testing.assert_allclose(result.rotation @ result.rotation.T, np.eye(DIMENSION), atol=1e-6)
    np.testing.assert_allclose(result.vectors.matrix[:-1], matrix[order], atol=1e-4)
    lengths = [np.linalg.norm(vectors.matrix, axis=1) for vectors in (source.vectors, result.vectors)]
    np.testing.assert_allclose(*lengths, rtol=1e-5)
    assert result.vectors.words == source.vectors.words
    assert not list(result.findings)


def test_every_word_counts_once_whatever_its_length() -> None:
    """One long vector that disagrees must not turn all others."""
    matrix, rotation, rotated = known_rotation()
    rotated[0] *= -1000
    words = [f"word{i}" for i in range(WORDS)]
    fitted, count = fit_rotation(Vectors(words, rotated), Vectors(words, matrix))
    assert count == WORDS
    assert fitted is not None
    np.testing.assert_allclose(fitted, rotation, atol=0.02)


def test_vectors_of_length_0_are_pairs_without_weight() -> None:
    matrix, rotation, rotated = known_rotation()
    rotated[:5] = 0
    words = [f"word{i}" for i in range(WORDS)]
    fitted, _ = fit_rotation(Vectors(words, rotated), Vectors(words, matrix))
    assert fitted is not None
    np.testing.assert_allclose(fitted, rotation, atol=1e-5)


@pytest.mark.parametrize("common", [0, MIN_PAIRS - 1, MIN_PAIRS])
def test_few_words_in_common_are_told_and_change_nothing(common: int) -> None:
    matrix, _, rotated = known_rotation()
    target = file("target", [f"word{i}" for i in range(WORDS)], matrix)
    source = file("source", [f"word{i}" if i < common else f"other{i}" for i in range(WORDS)], rotated)
    result = rotate_onto(spec("target"), target, spec("source"), source)
    if common >= MIN_PAIRS:
        assert result.rotation is not None
        return
    assert result is source
    [finding] = source.findings
    expected = (
        f"its vectors are not rotated onto those of target: only {common} words are spelled alike in both"
    )
    assert str(finding).startswith(f"source: {expected}")


def test_words_beyond_max_words_do_not_count() -> None:
    """They are read or not by the sentences of a sample."""
    matrix, _, rotated = known_rotation()
    words = [f"word{i}" for i in range(WORDS)]
    limit = WORDS // 2
    rotations = [
        rotate_onto(
            spec("target"),
            file("target", words, matrix),
            spec("source", max_words=limit),
            file(
                "source", words[:count], rotated[:count] * np.where(np.arange(count) < limit, 1, -1)[:, None]
            ),
        ).rotation
        for count in (limit, limit + 7, WORDS)
    ]
    for rotation in rotations[1:]:
        np.testing.assert_array_equal(rotation, rotations[0])


def test_vectors_of_another_dimension_stay() -> None:
    words = [f"word{i}" for i in range(WORDS)]
    source = file("source", words, np.ones((WORDS, 4)))
    target = file("target", words, np.ones((WORDS, DIMENSION)))
    assert rotate_onto(spec("target"), target, spec("source", 4), source) is source
