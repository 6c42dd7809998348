"""Findings that need a whole file or several: columns, schemes, repeated sentences."""

import json
from pathlib import Path

import pytest
from doctored import DEV, TRAIN, Check

from mlmt_jax.check import examine
from mlmt_jax.check.scan import Scan
from mlmt_jax.check.splits import find_between_datasets
from mlmt_jax.config import load_config
from mlmt_jax.text.columns import Sentence
from mlmt_jax.text.findings import Findings

LONG = "x O\n" * 251


def test_another_scheme_in_one_file_is_reported(check: Check) -> None:
    train = TRAIN + "\n" + TRAIN.replace("Jan B-PER", "Bea B-PER\nBos I-PER")
    output = check(train=train, dev=DEV.replace("B-", "I-"), parser={"scheme": "iob2"})
    scheme, ill_formed = sorted(
        output.messages, key=lambda message: "ill-formed in the scheme" in message.text
    )
    assert scheme.place == "dev:1:6"
    assert scheme.text == "the tags look like IO, and those of the data set like IOB2: 'I-PER'"
    assert scheme.advice == "all its files are read as IOB2: 2 tags of this one are ill-formed in it"
    assert ill_formed.place == "dev:1:6"
    assert output.summary == "0 errors, 2 warnings in 3 files"
    # Two slips among more that is right are slips.
    slips = DEV * 3 + "x O\nBreda I-LOC\n"
    assert not [message for message in check(train=train, dev=slips).messages if "look like" in message.text]


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
def test_wrong_columns_are_reported(check: Check, columns: tuple[int, int], expected: list[str]) -> None:
    parser = {"token_col": columns[0], "label_col": columns[1]}
    output = check(train=WORDS, dev="1 x N1\n", test="1 y N2\n", parser=parser)
    messages = [message for message in output.messages if message.place == "train:1"]
    assert [message.text[: len(text)] for message, text in zip(messages, expected, strict=True)] == expected
    assert all(
        message.advice.endswith("the file looks like token_col 1, label_col 2") for message in messages
    )
    assert output.status == 0


def test_tags_as_tokens_and_one_tag_for_all_words_are_reported(check: Check) -> None:
    train = "".join(f"{tag} _\n" for tag in ["B-PER", "I-PER", "O"] * 7)
    texts = [
        message.text
        for message in check(train=train, dev="x _\n", test="y _\n").messages
        if "train:1" in message.place
    ]
    assert texts == [
        "the tokens (token_col 0) look like tags: 'B-PER' (21 times)",
        "the tags (label_col 1) are the same for all words: '_' (21 times)",
    ]


def test_a_long_training_sentence_is_reported_once(check: Check) -> None:
    train = f"{TRAIN}\n{LONG}"
    [left_out] = check("--set", "datasets.0.max_len=100", train=train).messages
    assert (left_out.place, left_out.text) == (
        "train:11:1",
        "training sentence of more than 100 words is left out (max_len)",
    )
    [long] = check(train=train).messages
    assert long.place == "train:11"


def test_tags_outside_of_the_sample_are_unknown(check: Check) -> None:
    # One of the two training sentences has a LOC, and so have dev and test.
    seeds = [f"training.sample_seed={seed}" for seed in range(6)]
    samples = [check("--set", "datasets.0.sample=1", "--set", seed).messages for seed in seeds]
    places = {tuple(message.place for message in messages) for messages in samples}
    assert places == {(), ("dev:5:7", "test:4:7")}


def scans(**files: str) -> dict[str, dict[str, Scan]]:
    """Make scans of data sets from letters, one a sentence: ``a_dev="xy"`` is the dev file of data set a."""
    by_dataset: dict[str, dict[str, Scan]] = {}
    for key, letters in files.items():
        name, _, split = key.partition("_")
        sentences = [
            Sentence((letter,) * 5, ("O",) * 5, range(6 * i + 1, 6 * i + 6))
            for i, letter in enumerate(letters)
        ]
        by_dataset.setdefault(name, {})[split] = Scan(key, sentences, Findings(key))
    return by_dataset


def test_sentences_that_another_data_set_trains_on_are_reported() -> None:
    files = scans(a_train="w", a_dev="xyy", a_test="z", b_train="vyy", c_train="zxy", c_dev="w")
    messages = [
        (message.path, message.line, message.text, message.count, message.example, message.advice)
        for message in find_between_datasets(files, "a", {"a", "b"})
    ]
    assert messages == [
        (
            "a_dev",
            7,
            "a sentence of dev that the training data of 'b' has as well",
            2,
            "b_train:7",
            "its tags are trained on there: scores on dev may be too high (66.7% of the file's sentences)",
        ),
        (
            "a_dev",
            1,
            "a sentence of dev that the training data of 'c' has as well",
            3,
            "c_train:7",
            "its words, not its tags, are trained on there: scores on dev may be too high "
            "(100.0% of the file's sentences)",
        ),
        (
            "a_test",
            1,
            "a sentence of test that the training data of 'c' has as well",
            1,
            "c_train:1",
            "its words, not its tags, are trained on there: scores on test may be too high "
            "(100.0% of the file's sentences)",
        ),
    ]
    assert [message.path for message in find_between_datasets(files, "c", {"c"})] == ["c_dev"]


def test_a_file_of_two_data_sets_is_reported(tmp_path: Path, tiny_config: Path) -> None:
    config = json.loads(tiny_config.read_text(encoding="utf-8"))
    first, second = config["datasets"][:2]
    dev = tiny_config.parent / first["files"]["dev"]
    long = tmp_path / "dev"
    long.write_text(f"{dev.read_text(encoding='utf-8')}\n{TRAIN}", encoding="utf-8")
    first["files"]["dev"] = second["files"]["train"] = str(long)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**config, "data_root": str(tiny_config.parent)}), encoding="utf-8")
    texts = [message.text for message in examine(load_config(path), str(path)).findings]
    assert f"a sentence of dev that the training data of {second['name']!r} has as well" in texts


def test_a_wrong_encoding_is_one_finding(check: Check) -> None:
    train = TRAIN + "\nJürgen B-PER\nwerkt\u00a0hier O\nà O\n"
    output = check(train=train, dev=DEV, parser={"encoding": "latin-1"})
    assert [(message.place, message.advice.rpartition("; ")[2]) for message in output.messages] == [
        ("train:11:2", 'set parser.encoding to "utf-8"')
    ]
    odd = check(train=train, dev=DEV)
    assert [message.place for message in odd.messages] == ["train:12:6"]
