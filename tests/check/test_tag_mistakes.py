"""Spans in other notations than O, B-PER, I-PER."""

import pytest
from doctored import Check

from mlmt_jax.text.tag_schemes import detect_scheme, to_bioes

WORDS = [f"w{i}" for i in range(10)]
TAGS = ["O", "B-PER", "I-PER", "O", "O", "O", "B-LOC", "O", "O", "O"]
WRITTEN = {
    "small letters": (str.lower, "'o', 'b-per', 'i-per', 'b-loc'"),
    "an underscore outside": (lambda tag: tag.replace("O", "_") if tag == "O" else tag, "'_'"),
    "a dash outside": (lambda tag: "-" if tag == "O" else tag, "'-'"),
    "quotes": (lambda tag: f'"{tag}"', """'"O"', '"B-PER"', '"I-PER"', '"B-LOC"'"""),
    "an underscore between": (lambda tag: tag.replace("-", "_"), "'B_PER', 'I_PER', 'B_LOC'"),
    "the type first": (lambda tag: "-".join(tag.split("-")[::-1]), "'PER-B', 'PER-I', 'LOC-B'"),
}


def column_file(tags: list[str], copies: int = 1) -> str:
    return "".join(f"{word}\t{tag}\n" for word, tag in zip(WORDS, tags, strict=True)) * copies + "\n"


def training_reports(check: Check, train: str) -> list[tuple[str, str]]:
    """Return place and text of the findings about a training file; dev and test have its tags."""
    output = check(train=train, dev=train.replace("w", "v"), test=train.replace("w", "x"))
    return [(message.place, message.text) for message in output.messages if message.place.startswith("train")]


@pytest.mark.parametrize("name", WRITTEN)
def test_other_notations_of_spans_are_reported(check: Check, name: str) -> None:
    written, example = WRITTEN[name]
    [(_, text)] = training_reports(check, column_file([written(tag) for tag in TAGS], copies=3))
    assert text == f"spans, most likely, with tags that are not written as O, B-PER, I-PER: {example}"


def test_zeros_for_o_are_reported(check: Check) -> None:
    [(place, text)] = training_reports(check, column_file(TAGS) + column_file(["O"] * 6 + ["0"] * 4))
    assert place == "train:18:4"
    assert text.endswith("not written as O, B-PER, I-PER: '0'")


def test_slips_do_not_make_iob2_io(check: Check) -> None:
    tags = ["o" if i == 9 else tag for i, tag in enumerate(TAGS)]
    assert training_reports(check, column_file(tags) * 3) == [
        ("train:10:4", "tag is ill-formed in the scheme IOB2 and was read as conlleval does: 'o' (3 times)"),
        ("train:10:4", "a tag that looks like O and is not: 'o' (3 times)"),
    ]


def test_slips_in_bare_io_tags_are_reported(check: Check) -> None:
    bare = column_file([tag[2:] or "O" for tag in TAGS]) * 3
    output = check(train=bare + "w o\n", dev=bare.replace("w", "v"), parser={"scheme": "io"})
    assert [message.text for message in output.messages if "like O" in message.text] == [
        "a tag that looks like O and is not: 'o'"
    ]


def test_one_slip_in_a_file_without_spans_is_no_other_scheme(check: Check) -> None:
    output = check(train=column_file(TAGS), dev="v O\nx o\ny O\n")
    assert not [message for message in output.messages if "look like" in message.text]
    assert [message.place for message in output.messages if "looks like O" in message.text] == ["dev:2:3"]


@pytest.mark.parametrize("rest", [["VERB", "ADJ", "X"], ["V-S", "A-S", "PUNCT"], ["A=B|C=S"] * 3])
def test_a_frequent_part_of_speech_is_no_span(check: Check, rest: list[str]) -> None:
    assert training_reports(check, column_file(["NOUN"] * 7 + rest)) == []


def test_many_types_in_two_cases_are_one_finding(check: Check) -> None:
    tags = [f"B-{name}" for name in ("a", "A", "b", "B", "c", "C", "d", "D")] + ["O", "O"]
    more = ["B-e", "B-E", "B-f", "B-F", *["O"] * 6]
    [(place, text)] = training_reports(check, column_file(tags) + column_file(more))
    assert place == "train:2:4"
    assert text == (
        "span type that differs from another only in case: 'A', 'a', 'B', 'b', 'C', ... (6 times)"
    )


def test_bmes_is_read_as_bioes(check: Check) -> None:
    tags = ["B-PER", "M-PER", "E-PER", "O", "S-LOC", "O", "B-LOC", "E-LOC", "O", "O"]
    assert training_reports(check, column_file(tags)) == []
    assert detect_scheme([tags]) == "bioes"
    assert to_bioes(tags, "bioes") == (["B-PER", "I-PER", *tags[2:]], 0)
