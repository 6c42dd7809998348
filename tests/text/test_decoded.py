"""Probabilities of tags and spans as they leave, against a distribution that is written out."""

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
    """All well-formed BIOES sequences of a length, and the share of each."""
    paths = sorted(well_formed(LENGTH, TYPES, "bioes"))
    weights = np.random.default_rng(seed).gamma(0.05, size=len(paths))
    return paths, weights / weights.sum()


def arrays(paths: list[tuple[str, ...]], shares: np.ndarray, best: int):
    """The best path's indices, all marginals, and the best path's conditional log probabilities."""
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
    own = marginals[np.arange(LENGTH), tags]
    steps = np.log([own[0], *(pair(i) / own[i - 1] for i in range(1, LENGTH))])
    return tags, marginals, steps


@pytest.mark.parametrize("scheme", ["bioes", "iob2", "io", "iob1"])
@pytest.mark.parametrize("seed", range(3))
def test_a_token_has_the_probability_of_its_written_tag(scheme: Scheme, seed: int) -> None:
    paths, shares = distribution(seed)
    for best in np.argsort(-shares)[:20].tolist():
        found = TagWriter(NAMES, scheme, bare=False).with_probabilities(*arrays(paths, shares, best))
        spans = well_formed(LENGTH, TYPES, "bioes")
        written = [render(spans[path], LENGTH, "iob2" if scheme == "iob1" else scheme) for path in paths]
        if scheme == "iob1":  # a token in a span of its type
            written = [tuple(tag.replace("B-", "I-") for tag in tags) for tags in written]
        else:
            assert tuple(found.tags) == written[best]
        expected = [
            sum(share for tags, share in zip(written, shares, strict=True) if tags[i] == written[best][i])
            for i in range(LENGTH)
        ]
        np.testing.assert_allclose(found.probabilities, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("scheme", "bare"), [("bioes", False), ("iob2", False), ("iob1", False), ("io", False), ("io", True)]
)
def test_tags_are_written_as_span_by_span(scheme: Scheme, bare: bool) -> None:
    writer = TagWriter(NAMES, scheme, bare=bare)
    random = np.random.default_rng(1)
    paths = [tag for n in range(LENGTH + 1) for tag in sorted(well_formed(n, TYPES, "bioes"))]
    # Ill-formed ones as well, which a CRF without constraints may leave.
    paths += [tuple(random.choice(NAMES, n)) for n in range(1, 7) for _ in range(50)]
    for path in paths:
        best = np.array([NAMES.index(tag) for tag in path], int)
        assert writer.tags(best) == from_bioes(path, scheme, bare=bare)


def test_spans() -> None:
    # The distribution is no chain, but of spans of one and two words a chain's probabilities are exact.
    paths, shares = distribution(0)
    best = paths.index(("O", "B-PER", "E-PER", "S-LOC"))
    tags, marginals, steps = arrays(paths, shares, best)
    found = TagWriter(NAMES, "iob2", bare=False).with_probabilities(tags, marginals, steps)
    assert found.tags == ["O", "B-PER", "I-PER", "B-LOC"]
    exactly = lambda span: sum(
        share
        for path, share in zip(paths, shares, strict=True)
        if span in well_formed(LENGTH, TYPES, "bioes")[path]
    )
    assert [span[:3] for span in found.spans] == [("PER", 1, 3), ("LOC", 3, 4)]
    np.testing.assert_allclose(
        [span.probability for span in found.spans], [exactly(("PER", 1, 2)), exactly(("LOC", 3, 3))]
    )
    assert found.log_probability == pytest.approx(steps.sum())


def test_tags_that_are_not_spans() -> None:
    writer = TagWriter(["ADJ", "B-x"], "none", bare=False)
    found = writer.with_probabilities(
        np.array([1, 0]), np.array([[0.25, 0.75], [0.5, 0.5]]), np.log([0.75, 0.4])
    )
    assert found == (["B-x", "ADJ"], [0.75, 0.5], [], pytest.approx(np.log(0.3)))


def test_ill_formed_tags_are_repaired_and_keep_what_is_known_of_them() -> None:
    names = tag_names(["PER"])
    index = [names.index(tag) for tag in ("I-PER", "O", "B-PER")]
    marginals = np.full((3, 5), 0.2)
    marginals[0] = [0.1, 0.2, 0.3, 0.05, 0.35]  # O, B, I, E, S
    found = TagWriter(names, "iob2", bare=False).with_probabilities(
        np.array(index), marginals, np.log([0.3, 0.5, 0.5])
    )
    assert found.tags == ["B-PER", "O", "B-PER"]
    np.testing.assert_allclose(found.probabilities, [0.2 + 0.35, 0.2, 0.4])
    assert [span[:3] for span in found.spans] == [("PER", 0, 1), ("PER", 2, 3)]
    np.testing.assert_allclose([span.probability for span in found.spans], [0.3, 0.2])


def test_bare_types() -> None:
    writer = TagWriter(tag_names(["PER"]), "io", bare=True)
    assert writer.tags(np.array([0, 1, 3])) == ["O", "PER", "PER"]


def test_no_token() -> None:
    writer = TagWriter(NAMES, "iob2", bare=False)
    nothing = np.zeros(0, np.int32), np.zeros((0, len(NAMES))), np.zeros(0)
    assert writer.with_probabilities(*nothing) == ([], [], [], 0.0)


def test_a_tag_that_a_repair_asks_for_may_be_missing():
    # As in a run that was converted, whose data had no name of one word.
    names = ("O", "B-PER", "I-PER", "E-PER")
    best, marginals = np.array([1, 0]), np.full((2, 4), 0.25)
    found = TagWriter(names, "iob2", bare=False).with_probabilities(best, marginals, np.log([0.25, 0.25]))
    assert found.tags == ["B-PER", "O"]
    assert found.probabilities == [0.25, 0.25]
