"""Columns, schemes and sentences: what takes a whole file, or several, to be seen."""

import pytest
from doctored import DEV, TRAIN, Check

LONG = "x O\n" * 251


def test_another_scheme_in_one_file(check: Check) -> None:
    train = TRAIN + "\n" + TRAIN.replace("Jan B-PER", "Bea B-PER\nBos I-PER")
    found = check(train=train, dev=DEV.replace("B-", "I-"), parser={"scheme": "iob2"})
    scheme, ill_formed = sorted(found.told, key=lambda told: "ill-formed in the scheme" in told.text)
    assert scheme.place == "dev:1:6"
    assert scheme.text == "the tags look like IO, and those of the data set like IOB2: 'I-PER'"
    assert scheme.advice == "all its files are read as IOB2: 2 tags of this one are ill-formed in it"
    assert ill_formed.place == "dev:1:6"
    assert found.summary == "0 errors, 2 warnings in 3 files"
    # Two slips among more that is right are slips.
    slips = DEV * 3 + "x O\nBreda I-LOC\n"
    assert not [told for told in check(train=train, dev=slips).told if "look like" in told.text]


WORDS = "".join(f"{i} word{i} N{i % 3}\n" for i in range(1, 41))
WRONG_COLUMNS = {
    (0, 1): [
        "the tokens (token_col 0) count the words",
        "the tags (label_col 1) look like words: 40 different",
    ],
    (1, 0): ["the tags (label_col 0) are numbers: '1' (40 times)"],
    (2, 1): ["the tags (label_col 1) look like words: 40 different ones for 3 different tokens: 'word1'"],
    (1, 2): [],
}


@pytest.mark.parametrize(("columns", "expected"), WRONG_COLUMNS.items())
def test_wrong_columns(check: Check, columns: tuple[int, int], expected: list[str]) -> None:
    parser = {"token_col": columns[0], "label_col": columns[1]}
    found = check(train=WORDS, dev="1 x N1\n", test="1 y N2\n", parser=parser)
    told = [one for one in found.told if one.place == "train:1"]
    assert [one.text[: len(text)] for one, text in zip(told, expected, strict=True)] == expected
    assert all(one.advice.endswith("the file looks like token_col 1, label_col 2") for one in told)
    assert found.status == 0


def test_tags_as_tokens_and_one_tag_for_all(check: Check) -> None:
    train = "".join(f"{tag} _\n" for tag in ["B-PER", "I-PER", "O"] * 7)
    texts = [one.text for one in check(train=train, dev="x _\n", test="y _\n").told if "train:1" in one.place]
    assert texts == [
        "the tokens (token_col 0) look like tags: 'B-PER' (21 times)",
        "the tags (label_col 1) are the same for all words: '_' (21 times)",
    ]


def test_a_long_training_sentence_is_told_once(check: Check) -> None:
    train = f"{TRAIN}\n{LONG}"
    [left_out] = check("--set", "datasets.0.max_len=100", train=train).told
    assert (left_out.place, left_out.text) == (
        "train:11:1",
        "training sentence of more than 100 words is left out (max_len)",
    )
    [long] = check(train=train).told
    assert long.place == "train:11"


def test_tags_that_the_sample_leaves_out_are_told(check: Check) -> None:
    # One of the two training sentences has a LOC, and so have dev and test.
    seeds = [f"training.sample_seed={seed}" for seed in range(6)]
    found = [check("--set", "datasets.0.sample=1", "--set", seed).told for seed in seeds]
    places = {tuple(told.place for told in own) for own in found}
    assert places == {(), ("dev:5:7", "test:4:7")}
