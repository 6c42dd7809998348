"""Messages that refuse single keys and values."""

import contextlib
from typing import Any

import pytest
from config_edits import GONE, Refusal, edited, leaves
from hypothesis import given, settings
from hypothesis import strategies as st
from task_grid import task_grid

from mlmt_jax.config import parse_config
from mlmt_jax.errors import ConfigError

NAME = 'a name that is not empty and has no "/", control character or line separator'
PATH = "a path of valid Unicode that the file system can have"
SAMPLE = '"all", an integer >= 0 or a fraction in (0, 1]'
COMPONENTS = '"embedding", "char_cnn", "highway", "lstm", "linear", "crf"'

REFUSED = {
    "unknown key": ({"trainng": 1}, 'trainng: unknown key; did you mean "training"?'),
    "unknown key in a block": (
        {"training.max_stp": 1},
        'training.max_stp: unknown key; did you mean "max_step"?',
    ),
    "unknown key in another case": (
        {"tasks.1.Learning_Rate": 1.0},
        'tasks[1].Learning_Rate: unknown key; did you mean "learning_rate"?',
    ),
    "unknown key like no other": (
        {"datasets.0.files.qqq": "x"},
        'datasets[0].files.qqq: unknown key; known: "train", "dev", "test"',
    ),
    "unknown key with a space": (
        {"training.max step": 1},
        'training["max step"]: unknown key; did you mean "max_step"?',
    ),
    "unknown key of a component": (
        {"components.2.filtres": []},
        'components[2].filtres: unknown key; did you mean "filters"?',
    ),
    "key of another kind of component": (
        {"components.11.hidden_size": 3},
        'components[11].hidden_size: unknown key; known: "name", "model", "constrain"',
    ),
    "misspelt required key": (
        {"tasks.0.model.lstm": GONE, "tasks.0.model.lsmt": "lstm"},
        'tasks[0].model.lsmt: unknown key; did you mean "lstm"? (and 1 more)',
    ),
    "missing key": ({"tasks.0.dataset": GONE}, "tasks[0].dataset: required key is missing"),
    "missing training file": (
        {"datasets.1.files.train": GONE},
        "datasets[1].files.train: required key is missing",
    ),
    "missing block": ({"training": GONE}, "training: required key is missing"),
    "missing kind": (
        {"components.4.model": GONE},
        f"components[4].model: required key is missing (expected one of {COMPONENTS})",
    ),
    "unknown kind": (
        {"components.4.model": "LSTMs"},
        f'components[4].model: invalid value (got "LSTMs", expected one of {COMPONENTS}); '
        'did you mean "lstm"?',
    ),
    "unknown choice": (
        {"datasets.0.parser.scheme": "iob3"},
        'datasets[0].parser.scheme: invalid value (got "iob3", expected one of '
        '"auto", "iob1", "iob2", "bioes", "io", "none"); did you mean "iob2"?',
    ),
}

# Key, value, key and value in the message, expected value.
INVALID = {
    "text for a number": ("training.max_step", "3", "training.max_step", '"3"', "an integer"),
    "true for a number": ("training.eval_freq", True, "training.eval_freq", "true", "an integer"),
    "fraction for an integer": ("training.seed", 1.5, "training.seed", "1.5", "an integer"),
    "text for a float": ("tasks.0.learning_rate", "0.1", "tasks[0].learning_rate", '"0.1"', "a number"),
    "number for a bool": ("tasks.0.ref", 1, "tasks[0].ref", "1", "true or false"),
    "number for a string": ("datasets.0.files.train", 1, "datasets[0].files.train", "1", "a string"),
    "number for a folder": ("data_root", 3, "data_root", "3", "a string"),
    "object for a list": ("components", {}, "components", "{}", "a list"),
    "list for an object": ("training", [1], "training", "[1]", "an object"),
    "text for a component": ("components.3", "highway", "components[3]", '"highway"', "an object"),
    "not a number": ("tasks.0.momentum", float("nan"), "tasks[0].momentum", "NaN", "a finite number"),
    "empty list": ("tasks", [], "tasks", "[]", "a list that is not empty"),
    "only choice": ("datasets.0.type", "tree", "datasets[0].type", '"tree"', '"sequence"'),
    "half a filter": (
        "components.2.filters",
        [[2, 20], [3]],
        "components[2].filters[1]",
        "[3]",
        "a pair [width, number]",
    ),
    "too much of a filter": (
        "components.2.filters",
        [[2, 20, 1]],
        "components[2].filters[0]",
        "[2, 20, 1]",
        "a pair [width, number]",
    ),
    "loose filter": ("components.2.filters", [["2", 20]], "components[2].filters[0][0]", '"2"', "an integer"),
    "empty name": ("components.4.name", "", "components[4].name", '""', NAME),
    "slash in a name": ("tasks.1.name", "zul/ner", "tasks[1].name", '"zul/ner"', NAME),
    "line break in a name": ("tasks.1.name", "a\n", "tasks[1].name", '"a\\n"', NAME),
    "C1 control in a name": ("components.4.name", "a\x85b", "components[4].name", '"a\\u0085b"', NAME),
    "line separator in a name": ("datasets.0.name", "a\u2028b", "datasets[0].name", '"a\\u2028b"', NAME),
    "empty path": ("datasets.0.files.dev", "", "datasets[0].files.dev", '""', "a path that is not empty"),
    "NUL in a path": ("components.0.file", "a\x00b", "components[0].file", '"a\\u0000b"', PATH),
    "no character in a folder": ("data_root", "\ud800", "data_root", '"\\ud800"', PATH),
    "a byte that is no text in a path": (
        "datasets.0.files.train",
        "a\udcff",
        "datasets[0].files.train",
        '"a\\udcff"',
        PATH,
    ),
    "unknown encoding": (
        "datasets.0.parser.encoding",
        "utf-88",
        "datasets[0].parser.encoding",
        '"utf-88"',
        "the name of a text encoding that Python knows, such as utf-8 or latin-1",
    ),
    "no steps": ("training.max_step", 0, "training.max_step", "0", "a number >= 1"),
    "seed too large": ("training.seed", 2**32, "training.seed", "4294967296", "a number < 4294967296"),
    "dropout of all": (
        "tasks.0.model.lstm_dropout",
        1.0,
        "tasks[0].model.lstm_dropout",
        "1.0",
        "a number < 1",
    ),
    "negative dropout": (
        "tasks.0.model.embed_dropout",
        -0.1,
        "tasks[0].model.embed_dropout",
        "-0.1",
        "a number >= 0",
    ),
    "rate zero": ("tasks.0.learning_rate", 0, "tasks[0].learning_rate", "0", "a number > 0"),
    "slower decay than JAX can count": (
        "tasks.0.decay_step",
        2**31,
        "tasks[0].decay_step",
        "2147483648",
        "a number < 2147483648",
    ),
    "steps without end": (
        "training.max_epoch",
        10**400,
        "training.max_epoch",
        f"1{'0' * 56}...",
        "a number < 2147483648",
    ),
    "replicas that no machine has": (
        "training.replicas",
        4 * 10**9,
        "training.replicas",
        "4000000000",
        "a number <= 10000",
    ),
    "growing rate": ("tasks.0.decay_rate", 1.01, "tasks[0].decay_rate", "1.01", "a number <= 1"),
    "negative weight": ("tasks.1.prob", -1, "tasks[1].prob", "-1", "a number >= 0"),
    "sample of less": ("datasets.0.sample", -1, "datasets[0].sample", "-1", SAMPLE),
    "sample of more": ("datasets.0.sample", 1.5, "datasets[0].sample", "1.5", SAMPLE),
    "sample true": ("datasets.0.sample", True, "datasets[0].sample", "true", SAMPLE),
}


@pytest.mark.parametrize("case", REFUSED)
def test_unknown_and_missing_keys_and_unknown_choices_are_refused(refusal: Refusal, case: str) -> None:
    edits, message = REFUSED[case]
    assert refusal(edits) == message


@pytest.mark.parametrize("case", INVALID)
def test_an_invalid_value_is_refused_with_its_path(refusal: Refusal, case: str) -> None:
    key, value, path, text, expected = INVALID[case]
    assert refusal({key: value}) == f"{path}: invalid value (got {text}, expected {expected})"


@pytest.mark.parametrize("data", [[], 3, "training", None])
def test_a_file_must_hold_an_object(data: Any) -> None:
    with pytest.raises(ConfigError, match=r"^config: invalid value \(got .*, expected an object\)$"):
        parse_config(data)


def test_every_field_refuses_a_nested_null_and_every_key_a_missing_letter(four_tasks: dict[str, Any]) -> None:
    whole = parse_config(four_tasks).resolved()
    paths = leaves(whole)
    assert len(paths) > 200
    for path, written in paths.items():
        with pytest.raises(ConfigError) as caught:
            parse_config(edited(whole, {path: [[None]]}))
        # `filters` and `hidden` accept a list: their problem is at an index of it.
        assert str(caught.value).startswith((f"config: {written}: invalid value (", f"config: {written}["))
        key = path.rpartition(".")[2]
        with pytest.raises(ConfigError) as caught:
            parse_config(edited(whole, {path[:-1]: 1}))
        assert str(caught.value).startswith(f'config: {written[:-1]}: unknown key; did you mean "{key}"?')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(data=st.data())
def test_a_config_with_an_arbitrary_value_raises_only_config_errors(data: st.DataObject) -> None:
    valid = task_grid(
        [("l", "t")],
        {
            "l_words": {"model": "embedding", "dimension": 3},
            "chars": {"model": "char_cnn", "dimension": 3, "filters": [[1, 2]]},
            "highway": {"model": "highway"},
            "lstm": {"model": "lstm", "hidden_size": 3},
        },
    )
    valid |= {"data_root": ".", "training": {"max_step": 1, "output": "runs/a"}}
    parse_config(valid)
    path = data.draw(st.sampled_from([*leaves(valid), "training", "datasets.0", "tasks.0.model"]))
    broken = edited(valid, {path: data.draw(JSON)})
    # Any other error fails the test.
    with contextlib.suppress(ConfigError):
        config = parse_config(broken)
        assert parse_config(config.resolved()) == config
