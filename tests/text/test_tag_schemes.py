"""Tag schemes: detection, conversion to BIOES and back, against oracles that enumerate all tag sequences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tag_oracles import PREFIXES, SCHEMES, conlleval_spans, render, sequences, touching, well_formed

from mlmt_jax.text.tag_schemes import detect_scheme, from_bioes, has_bare_labels, tag_names, to_bioes

TYPES = ("X", "Y-z")

any_tags = st.lists(st.sampled_from(["O", *(f"{p}-{t}" for p in "BIES" for t in TYPES)]), max_size=12)


@st.composite
def segmented(draw):
    """Draw the spans of a sentence and its length."""
    pieces = draw(st.lists(st.tuples(st.sampled_from(["", *TYPES]), st.integers(1, 4)), max_size=8))
    spans, position = [], 0
    for type_, words in pieces:
        if type_:
            spans.append((type_, position, position + words - 1))
        position += words
    return spans, position


def rows(text):
    return [line.split() for line in text.split("|")]


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("B-X I-X O | B-Y B-Y O", "iob2"),
        ("B-X O | B-Y O", "iob2"),
        ("I-X I-X O | I-Y B-Y I-Y", "iob1"),
        ("I-X I-X O | I-Y I-X", "io"),
        ("B-X E-X O | S-Y", "bioes"),
        ("S-X O | O", "bioes"),
        ("B-X I-X E-X O", "bioes"),
        ("B-X I-X L-X O U-X", "bioes"),
        ("B-art-film I-art-film O", "iob2"),
        ("B-NN E-NN S-VV B-NN I-NN E-NN", "bioes"),  # joint segmentation: no word is outside
        ("O O | O", "iob2"),
        ("NOUN VERB | PUNCT", "none"),
        ("NOUN VERB B-x B-y B-z", "none"),
        ("NOUN VERB O B-x", "none"),  # a part of speech called O
        ("B-x I-y S-z S-z NOUN", "none"),
        ("N-sg V-past N-pl", "none"),
        ("PER O | LOC O", "none"),
        ("B I O O", "none"),
        ("b-x o o", "none"),
        ("NOUN O B-x", "none"),  # no majority
    ],
)
def test_schemes_of_clean_files_are_detected(text, scheme):
    assert detect_scheme(rows(text)) == scheme


def test_a_file_without_tags_has_no_scheme():
    assert detect_scheme([]) == "none"
    assert detect_scheme([[], []]) == "none"


CLEAN = {
    "io": "I-X I-X O I-Y",
    "iob1": "I-X B-X I-X O I-Y",
    "iob2": "B-X I-X O B-Y",
    "bioes": "B-X E-X O S-Y",
}


@pytest.mark.parametrize("scheme", CLEAN)
@pytest.mark.parametrize("slip", ["O I-X O", "O B-X O", "O E-X S-X", "O PER O", "B-X I-Y", "O B_X", "0 o"])
def test_a_few_slips_do_not_decide(scheme, slip):
    assert detect_scheme([CLEAN[scheme].split()] * 50 + [slip.split()] * 2) == scheme


def test_the_majority_of_starts_decides_between_iob1_and_iob2():
    b_start, i_start = ["O", "B-X", "I-X"], ["O", "I-X", "I-X", "B-X"]
    assert detect_scheme([b_start] * 9 + [i_start] * 4) == "iob2"
    assert detect_scheme([b_start] * 4 + [i_start] * 9) == "iob1"


def test_an_iterator_of_sentences_is_accepted():
    assert detect_scheme(iter(rows("I-X B-X I-X O"))) == "iob1"


def read_column(path, column, separator=None):
    """Read the tags of a column file whose tokens are not empty and have no spaces."""
    sentences = [[]]
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = line.split(separator)
        if not line.strip():
            sentences.append([])
        elif not line.startswith("#"):
            sentences[-1].append(fields[column])
    return sentences


@pytest.mark.parametrize(
    ("name", "column", "separator", "scheme"),
    [
        ("masakhane/xho.ner.dev.txt", -1, " ", "iob2"),
        ("masakhane/xho.pos.dev.txt", -1, " ", "none"),
        ("uner/da_ddt-ud-dev.iob2", 2, "\t", "iob2"),
        ("uner/sv_talbanken-ud-dev.iob2", 2, "\t", "iob2"),
    ],
)
def test_schemes_of_real_files_are_detected(shared_data, name, column, separator, scheme):
    assert detect_scheme(read_column(shared_data / name, column, separator)) == scheme


def test_bare_labels_are_recognised():
    assert has_bare_labels(rows("PER O O | LOC LOC"))
    assert not has_bare_labels(rows("I-PER I-PER O O | LOC"))
    assert not has_bare_labels(rows("O O"))
    assert not has_bare_labels(rows("PER O I-LOC"))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_well_formed_tags_go_to_bioes_and_back(scheme):
    for length in range(5):
        for tags, spans in well_formed(length, TYPES, scheme).items():
            bioes, ill_formed = to_bioes(tags, scheme)
            assert tuple(bioes) == render(spans, length, "bioes")
            assert ill_formed == 0
            assert tuple(from_bioes(bioes, scheme)) == tags


@pytest.mark.parametrize("scheme", SCHEMES)
def test_ill_formed_tags_are_repaired_as_conlleval_reads_them(scheme):
    for length in range(4):
        right = well_formed(length, TYPES, scheme)
        for tags in sequences(length, TYPES, "BIES"):
            bioes, ill_formed = to_bioes(tags, scheme)
            assert tuple(bioes) == render(conlleval_spans(tags), length, "bioes")
            assert (ill_formed == 0) == (tags in right), tags
            assert ill_formed <= len(tags) - tags.count("O")


def test_bare_labels_are_read_and_written_as_io():
    tags = ["PER", "PER", "O", "LOC", "PER"]
    bioes, ill_formed = to_bioes(tags, "io")
    assert (bioes, ill_formed) == (["B-PER", "E-PER", "O", "S-LOC", "S-PER"], 0)
    assert from_bioes(bioes, "io", bare=True) == tags
    assert from_bioes(bioes, "io") == ["I-PER", "I-PER", "O", "I-LOC", "I-PER"]
    with pytest.raises(ValueError, match="bioes"):
        from_bioes(bioes, "bioes", bare=True)


def test_tags_of_no_scheme_are_not_changed():
    tags = ["NOUN", "B-x", "O", "I-y"]
    assert to_bioes(tags, "none") == (tags, 0)
    assert from_bioes(tags, "none") == tags


def test_io_joins_touching_spans_of_one_type():
    assert from_bioes(["S-X", "B-X", "E-X", "S-Y"], "io") == ["I-X", "I-X", "I-X", "I-Y"]


def test_ill_formed_predictions_are_written_well_formed():
    assert from_bioes(["I-X", "E-X", "B-Y", "O", "E-X"], "iob2") == ["B-X", "I-X", "B-Y", "O", "B-X"]
    assert from_bioes(["I-X", "E-X", "B-Y", "O", "E-X"], "bioes") == ["B-X", "E-X", "S-Y", "O", "S-X"]


def test_tag_names_are_o_and_four_tags_a_type():
    assert tag_names(iter(["PER", "LOC", "PER"])) == [
        "O", "B-LOC", "I-LOC", "E-LOC", "S-LOC", "B-PER", "I-PER", "E-PER", "S-PER",
    ]  # fmt: skip
    assert len(tag_names("WXYZ")) == 17
    assert tag_names([]) == ["O"]


@given(any_tags, st.sampled_from(SCHEMES))
def test_bioes_is_a_fixed_point_and_keeps_the_spans(tags, scheme):
    bioes, _ = to_bioes(tags, scheme)
    assert conlleval_spans(bioes) == conlleval_spans(tags)
    assert to_bioes(bioes, "bioes") == (bioes, 0)
    assert from_bioes(bioes, "bioes") == bioes
    assert set(bioes) <= set(tag_names(TYPES))


@given(segmented(), st.sampled_from(SCHEMES))
def test_long_well_formed_tags_survive_the_round_trip(segmentation, scheme):
    spans, length = segmentation
    tags = render(spans, length, scheme)
    bioes, ill_formed = to_bioes(tags, scheme)
    assert ill_formed == 0
    assert tuple(from_bioes(bioes, scheme)) == tags
    assert tuple(bioes) == render(spans, length, "bioes") or (scheme == "io" and touching(spans))


@given(st.lists(segmented(), min_size=1, max_size=6), st.sampled_from(SCHEMES))
def test_detection_finds_a_scheme_in_which_generated_files_are_well_formed(segmentations, scheme):
    sentences = [render(spans, length, scheme) for spans, length in segmentations]
    detected = detect_scheme(sentences)
    if any(sentences):
        assert detected in PREFIXES
        assert all(to_bioes(tags, detected)[1] == 0 for tags in sentences)


def test_other_files_decide_what_the_training_file_leaves_open() -> None:
    clean = rows("B-X I-X O B-Y")
    # The training file alone is IOB2, however much another file differs.
    assert detect_scheme(clean, dev=rows("I-X I-X O") * 50) == "iob2"
    assert detect_scheme(clean, dev=[["o"]] * 50) == "iob2"
    # I- alone may be IO, or IOB1 whose B- another file has; O alone may be anything.
    assert detect_scheme(rows("I-X O")) == "io"
    assert detect_scheme(rows("I-X O"), dev=rows("I-X B-X O")) == "iob1"
    assert detect_scheme(rows("O O"), dev=rows("S-X O"), test=rows("B-X E-X")) == "bioes"
    assert detect_scheme(rows("O O"), dev=rows("NOUN VERB")) == "none"
