"""Spans read from tags and tags written from spans, against seqeval, conlleval and enumeration."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB1, IOB2, IOBES, Tokens
from tag_oracles import (
    PREFIXES,
    SCHEMES,
    conlleval_spans,
    render,
    segmentations,
    sequences,
    well_formed,
)

from mlmt_jax.metrics.spans import (
    Scheme,
    Span,
    count_ill_formed,
    lenient_spans,
    span_tags,
    split_tag,
    strict_spans,
)

TYPES = ("X", "Y-z")
SEQEVAL: dict[Scheme, type] = {"iob1": IOB1, "iob2": IOB2, "bioes": IOBES}

any_tag = st.sampled_from(["O", *(f"{p}-{t}" for p in "BIES" for t in TYPES)])
any_tags = st.lists(any_tag, max_size=12)


def seqeval_strict(tags, scheme):
    return [(e.tag, e.start, e.end - 1) for e in Tokens(list(tags), SEQEVAL[scheme]).entities]


@pytest.mark.parametrize(
    ("tag", "parts"),
    [
        ("O", ("O", "")),
        ("B-PER", ("B", "PER")),
        ("S-art-film", ("S", "art-film")),
        ("L-PER", ("E", "PER")),
        ("U-PER", ("S", "PER")),
        ("PER", ("", "PER")),
        ("art-film", ("", "art-film")),
        ("o", ("", "o")),
        ("b-PER", ("", "b-PER")),
        ("B-", ("", "B-")),
        ("B", ("", "B")),
    ],
)
def test_tags_split_at_the_first_dash_after_a_known_prefix(tag, parts):
    assert split_tag(tag) == parts


@pytest.mark.parametrize("read", [split_tag, lambda tag: lenient_spans(["O", tag])])
def test_an_empty_tag_is_refused(read):
    with pytest.raises(ValueError, match="empty"):
        read("")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("length", [0, 1, 2, 3, 4])
def test_well_formed_tags_are_exactly_those_of_all_segmentations(scheme, length):
    expected = well_formed(length, TYPES, scheme)
    for tags in sequences(length, TYPES, PREFIXES[scheme]):
        assert (count_ill_formed(tags, scheme) == 0) == (tags in expected), tags
        if tags in expected:
            assert strict_spans(tags, scheme) == lenient_spans(tags) == expected[tags]


@pytest.mark.parametrize("scheme", SEQEVAL)
def test_strict_spans_agree_with_seqeval_on_every_short_sequence(scheme):
    for length in range(5):
        for tags in sequences(length, TYPES, PREFIXES[scheme]):
            assert strict_spans(tags, scheme) == seqeval_strict(tags, scheme), tags


@pytest.mark.parametrize("scheme", SEQEVAL)
def test_strict_spans_agree_with_seqeval_on_long_random_sequences(scheme):
    rng = random.Random(7)
    alphabet = ["O", *(f"{p}-{t}" for p in PREFIXES[scheme] for t in ("PER", "LOC", "ORG"))]
    for _ in range(400):
        tags = rng.choices(alphabet, k=rng.randint(1, 40))
        assert strict_spans(tags, scheme) == seqeval_strict(tags, scheme), tags


def test_strict_io_spans_are_sequences_of_one_type():
    for tags in sequences(5, TYPES, "I"):
        assert strict_spans(tags, "io") == conlleval_spans(tags)
    assert strict_spans(["PER", "PER", "O", "LOC", "I-LOC"], "io") == [("PER", 0, 1), ("LOC", 3, 4)]


def test_lenient_spans_agree_with_conlleval_and_seqeval_on_every_short_sequence():
    for length in range(5):
        for tags in sequences(length, TYPES, "BIES"):
            expected = conlleval_spans(tags)
            assert lenient_spans(tags) == expected, tags
            if "Y-z" not in str(tags):
                assert get_entities(list(tags)) == expected


@pytest.mark.parametrize("tags", [["X-PER", "O"], ["PER", "O"], ["B-PER", "PER"], ["I-PER", "E-LOC"]])
def test_ill_formed_tags_give_no_strict_bioes_span(tags):
    assert strict_spans(tags, "bioes") == []
    assert count_ill_formed(tags, "bioes") > 0


def test_a_bare_label_is_ill_formed_outside_io():
    assert count_ill_formed(["B-PER", "PER", "O"], "iob2") == 1
    assert strict_spans(["B-PER", "PER", "O"], "iob2") == [("PER", 0, 0)]
    assert lenient_spans(["B-PER", "PER", "O"]) == [("PER", 0, 1)]
    assert count_ill_formed(["PER", "I-PER", "O"], "io") == 0


def test_bilou_is_read_as_bioes():
    tags = ["B-X", "I-X", "L-X", "U-Y", "O"]
    assert strict_spans(tags, "bioes") == lenient_spans(tags) == [Span("X", 0, 2), Span("Y", 3, 3)]
    assert count_ill_formed(tags, "bioes") == 0


def test_tags_without_a_scheme_have_no_spans_and_are_never_ill_formed():
    assert strict_spans(["NOUN", "B-X"], "none") == []
    assert count_ill_formed(["NOUN", "B-X"], "none") == 0
    with pytest.raises(ValueError, match="none"):
        span_tags([], 2, "none")


@pytest.mark.parametrize(
    ("scheme", "tags", "count"),
    [
        ("iob2", "I-X I-X O B-X", 1),
        ("iob2", "B-X I-Y I-Y", 1),
        ("iob2", "S-X O E-X", 2),
        ("iob1", "B-X I-X O I-X B-X", 1),
        ("iob1", "I-X B-Y", 1),
        ("bioes", "B-X I-X O", 1),
        ("bioes", "I-X O", 1),
        ("bioes", "I-X I-X I-X", 2),
        ("bioes", "B-X B-X E-X", 1),
        ("bioes", "B-X E-Y", 2),
        ("io", "I-X B-X I-X", 1),
    ],
)
def test_ill_formed_tags_are_counted_once_each(scheme, tags, count):
    assert count_ill_formed(tags.split(), scheme) == count


@pytest.mark.parametrize("scheme", SCHEMES)
def test_span_tags_writes_the_tags_of_the_scheme(scheme):
    for spans in segmentations(5, TYPES):
        assert tuple(span_tags([Span(*s) for s in spans], 5, scheme)) == render(spans, 5, scheme)


def test_only_io_is_written_bare():
    assert span_tags([Span("X", 1, 2)], 4, "io", bare=True) == ["O", "X", "X", "O"]
    with pytest.raises(ValueError, match="iob2"):
        span_tags([Span("X", 1, 2)], 4, "iob2", bare=True)


@given(any_tags)
def test_lenient_spans_cover_exactly_the_words_that_are_not_o(tags):
    spans = lenient_spans(tags)
    covered = [position for span in spans for position in range(span.first, span.last + 1)]
    assert covered == [position for position, tag in enumerate(tags) if tag != "O"]


@given(any_tags, st.sampled_from(SCHEMES))
@settings(max_examples=200)
def test_strict_spans_are_disjoint_and_of_one_type(tags, scheme):
    end = -1
    for span in strict_spans(tags, scheme):
        assert end < span.first <= span.last < len(tags)
        end = span.last
        assert {tag.partition("-")[2] for tag in tags[span.first : span.last + 1]} == {span.type}


@given(any_tags)
def test_a_strict_bioes_span_is_a_lenient_span(tags):
    assert set(strict_spans(tags, "bioes")) <= set(lenient_spans(tags))
