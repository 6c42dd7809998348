"""The baseline that repeats training mentions, against tags written by hand."""

from mlmt_jax.metrics.repeated_mentions import repeat_mentions

TRAINING = [
    (["New", "York", "is", "New"], ["B-LOC", "E-LOC", "O", "O"]),
    (["York", "and", "York"], ["S-PER", "O", "S-LOC"]),
    (["York"], ["S-LOC"]),
]


def test_the_longest_mention_gets_its_most_frequent_type() -> None:
    sentences = [["New", "York", "York"], ["new", "York", "New"], []]
    assert repeat_mentions(TRAINING, sentences, "bioes") == [
        ["B-LOC", "E-LOC", "S-LOC"],
        ["O", "S-LOC", "O"],
        [],
    ]
    assert repeat_mentions([], [["a"]], "bioes") == [["O"]]


def test_a_word_gets_its_most_frequent_tag() -> None:
    training = [(["a", "b", "a", "c"], ["X", "Y", "X", "Y"]), (["a", "d"], ["Y", "Y"])]
    assert repeat_mentions(training, [["a", "b", "new"]], "none") == [["X", "Y", "Y"]]
    assert repeat_mentions([], [["a"]], "none") == [["O"]]
