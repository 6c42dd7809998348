"""Written tags and their probabilities, against a distribution over all tag sequences."""

import numpy as np
import pytest
from tag_oracles import render, well_formed

from mlmt_jax.metrics.spans import Scheme
from mlmt_jax.text.decoded import TagWriter
from mlmt_jax.text.tag_schemes import from_bioes, tag_names

TYPES = ["LOC", "PER"]
NAMES = tag_names(TYPES)
LENGTH = 4


def distribution(seed: int) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """Return all well-formed BIOES sequences of a length, and a random probability of each."""
    paths = sorted(well_formed(LENGTH, TYPES, "bioes"))
    weights = np.random.default_rng(seed).gamma(0.05, size=len(paths))
    return paths, weights / weights.sum()


def arrays(paths: list[tuple[str, ...]], shares: np.ndarray, best: int):
    """Return the indices of a path, all marginals, and the path's conditional log probabilities."""
    marginals = np.zeros((LENGTH, len(NAMES)))
    for path, share in zip(paths, shares, strict=True):
        for i, tag in enumerate(path):
            marginals[i, NAMES.index(tag)] += share
    pair = lambda i: sum(
        share
        for path, share in zip(paths, shares, strict=True)
        if path[i - 1 : i + 1] == paths[best][i - 1 : i + 1]
    )
    tags = np.array([NAMES.index(tag) for tag in paths[best]])
    path_marginals = marginals[np.arange(LENGTH), tags]
    steps = np.log([path_marginals[0], *(pair(i) / path_marginals[i - 1] for i in range(1, LENGTH))])
    return tags, marginals, steps


@pytest.mark.parametrize("scheme", ["bioes", "iob2", "io", "iob1"])
@pytest.mark.parametrize("seed", range(3))
def test_a_token_has_the_probability_of_its_written_tag(scheme: Scheme, seed: int) -> None:
    paths, shares = distribution(seed)
    for best in np.argsort(-shares)[:20].tolist():
        sentence = TagWriter(NAMES, scheme, bare=False).with_probabilities(*arrays(paths, shares, best))
        spans = well_formed(LENGTH, TYPES, "bioes")
        written = [render(spans[path], LENGTH, "iob2" if scheme == "iob1" else scheme) for path in paths]
        if scheme == "iob1":  # a token in a span of its type
            written = [tuple(tag.replace("B-", "I-") for tag in tags) for tags in written]
        else:
            assert tuple(sentence.tags) == written[best]
        expected = [
            sum(share for tags, share in zip(written, shares, strict=True) if tags[i] == written[best][i])
            for i in range(LENGTH)
        ]
        np.testing.assert_allclose(sentence.probabilities, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("scheme", "bare"), [("bioes", False), ("iob2", False), ("iob1", False), ("io", False), ("io", True)]
)
def test_tags_are_written_as_from_bioes_writes_them(scheme: Scheme, bare: bool) -> None:
    writer = TagWriter(NAMES, scheme, bare=bare)
    random = np.random.default_rng(1)
    paths = [tag for n in range(LENGTH + 1) for tag in sorted(well_formed(n, TYPES, "bioes"))]
    # Ill-formed ones as well, which a CRF without constraints may leave.
    paths += [tuple(random.choice(NAMES, n)) for n in range(1, 7) for _ in range(50)]
    for path in paths:
        best = np.array([NAMES.index(tag) for tag in path], int)
        assert writer.tags(best) == from_bioes(path, scheme, bare=bare)


def test_spans_have_their_exact_probability() -> None:
    # The distribution is no chain, but for spans of one and two words a chain is exact.
    paths, shares = distribution(0)
    best = paths.index(("O", "B-PER", "E-PER", "S-LOC"))
    tags, marginals, steps = arrays(paths, shares, best)
    sentence = TagWriter(NAMES, "iob2", bare=False).with_probabilities(tags, marginals, steps)
    assert sentence.tags == ["O", "B-PER", "I-PER", "B-LOC"]
    exactly = lambda span: sum(
        share
        for path, share in zip(paths, shares, strict=True)
        if span in well_formed(LENGTH, TYPES, "bioes")[path]
    )
    assert [span[:3] for span in sentence.spans] == [("PER", 1, 3), ("LOC", 3, 4)]
    np.testing.assert_allclose(
        [span.probability for span in sentence.spans], [exactly(("PER", 1, 2)), exactly(("LOC", 3, 3))]
    )
    assert sentence.log_probability == pytest.approx(steps.sum())


def test_tags_that_are_not_spans_are_not_changed() -> None:
    writer = TagWriter(["ADJ", "B-x"], "none", bare=False)
    sentence = writer.with_probabilities(
        np.array([1, 0]), np.array([[0.25, 0.75], [0.5, 0.5]]), np.log([0.75, 0.4])
    )
    assert sentence == (["B-x", "ADJ"], [0.75, 0.5], [], pytest.approx(np.log(0.3)))


def test_ill_formed_tags_are_repaired_with_their_probabilities() -> None:
    names = tag_names(["PER"])
    index = [names.index(tag) for tag in ("I-PER", "O", "B-PER")]
    marginals = np.full((3, 5), 0.2)
    marginals[0] = [0.1, 0.2, 0.3, 0.05, 0.35]  # O, B, I, E, S
    sentence = TagWriter(names, "iob2", bare=False).with_probabilities(
        np.array(index), marginals, np.log([0.3, 0.5, 0.5])
    )
    assert sentence.tags == ["B-PER", "O", "B-PER"]
    np.testing.assert_allclose(sentence.probabilities, [0.2 + 0.35, 0.2, 0.4])
    assert [span[:3] for span in sentence.spans] == [("PER", 0, 1), ("PER", 2, 3)]
    np.testing.assert_allclose([span.probability for span in sentence.spans], [0.3, 0.2])


def test_bare_types_are_written() -> None:
    writer = TagWriter(tag_names(["PER"]), "io", bare=True)
    assert writer.tags(np.array([0, 1, 3])) == ["O", "PER", "PER"]


def test_an_empty_sentence_has_no_tags() -> None:
    writer = TagWriter(NAMES, "iob2", bare=False)
    nothing = np.zeros(0, np.int32), np.zeros((0, len(NAMES))), np.zeros(0)
    assert writer.with_probabilities(*nothing) == ([], [], [], 0.0)


def test_the_tag_of_a_repair_may_be_missing() -> None:
    # A converted run has no S-PER if its data had no name of one word.
    names = ("O", "B-PER", "I-PER", "E-PER")
    best, marginals = np.array([1, 0]), np.full((2, 4), 0.25)
    sentence = TagWriter(names, "iob2", bare=False).with_probabilities(best, marginals, np.log([0.25, 0.25]))
    assert sentence.tags == ["B-PER", "O"]
    assert sentence.probabilities == [0.25, 0.25]
