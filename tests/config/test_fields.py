"""Keys and values that are refused one by one, by the whole message."""

import contextlib
from typing import Any

import pytest
from config_edits import GONE, edited, leaves
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmt_jax.config import parse_config
from mlmt_jax.errors import ConfigError

NEEDS_NAME = 'expected a name that is not empty and has no "/", control character or line separator'
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
    "text for a number": ({"training.max_step": "3"}, 'training.max_step: got "3"; expected an integer'),
    "true for a number": ({"training.eval_freq": True}, "training.eval_freq: got true; expected an integer"),
    "fraction for an integer": ({"training.seed": 1.5}, "training.seed: got 1.5; expected an integer"),
    "text for a float": (
        {"tasks.0.learning_rate": "0.1"},
        'tasks[0].learning_rate: got "0.1"; expected a number',
    ),
    "number for a bool": ({"tasks.0.ref": 1}, "tasks[0].ref: got 1; expected true or false"),
    "number for a string": (
        {"datasets.0.files.train": 1},
        "datasets[0].files.train: got 1; expected a string",
    ),
    "number for a folder": ({"data_root": 3}, "data_root: got 3; expected a string"),
    "object for a list": ({"components": {}}, "components: got {}; expected a list"),
    "list for an object": ({"training": [1]}, "training: got [1]; expected an object"),
    "text for a component": (
        {"components.3": "highway"},
        'components[3]: got "highway"; expected an object',
    ),
    "not a number": (
        {"tasks.0.momentum": float("nan")},
        "tasks[0].momentum: got NaN; expected a finite number",
    ),
    "missing key": ({"tasks.0.dataset": GONE}, "tasks[0].dataset: missing, and it has no default"),
    "missing training file": (
        {"datasets.1.files.train": GONE},
        "datasets[1].files.train: missing, and it has no default",
    ),
    "missing block": ({"training": GONE}, "training: missing, and it has no default"),
    "empty list": ({"tasks": []}, "tasks: got []; expected a list that is not empty"),
    "missing kind": (
        {"components.4.model": GONE},
        f"components[4].model: missing; expected one of {COMPONENTS}",
    ),
    "unknown kind": (
        {"components.4.model": "LSTMs"},
        f'components[4].model: got "LSTMs"; expected one of {COMPONENTS}; did you mean "lstm"?',
    ),
    "unknown choice": (
        {"datasets.0.parser.scheme": "iob3"},
        'datasets[0].parser.scheme: got "iob3"; expected one of '
        '"auto", "iob1", "iob2", "bioes", "io", "none"; did you mean "iob2"?',
    ),
    "only choice": (
        {"datasets.0.type": "tree"},
        'datasets[0].type: got "tree"; expected "sequence"',
    ),
    "half a filter": (
        {"components.2.filters": [[2, 20], [3]]},
        "components[2].filters[1]: got [3]; expected a pair [width, number]",
    ),
    "too much of a filter": (
        {"components.2.filters": [[2, 20, 1]]},
        "components[2].filters[0]: got [2, 20, 1]; expected a pair [width, number]",
    ),
    "loose filter": (
        {"components.2.filters": [["2", 20]]},
        'components[2].filters[0][0]: got "2"; expected an integer',
    ),
    "empty name": ({"components.4.name": ""}, f'components[4].name: got ""; {NEEDS_NAME}'),
    "slash in a name": ({"tasks.1.name": "zul/ner"}, f'tasks[1].name: got "zul/ner"; {NEEDS_NAME}'),
    "line break in a name": ({"tasks.1.name": "a\n"}, f'tasks[1].name: got "a\\n"; {NEEDS_NAME}'),
    "C1 control in a name": (
        {"components.4.name": "a\x85b"},
        f'components[4].name: got "a\\u0085b"; {NEEDS_NAME}',
    ),
    "line separator in a name": (
        {"datasets.0.name": "a\u2028b"},
        f'datasets[0].name: got "a\\u2028b"; {NEEDS_NAME}',
    ),
    "empty path": (
        {"datasets.0.files.dev": ""},
        'datasets[0].files.dev: got ""; expected a path that is not empty',
    ),
    "NUL in a path": (
        {"components.0.file": "a\0b"},
        'components[0].file: got "a\\u0000b"; expected a path of valid Unicode that the file system can have',
    ),
    "no character in a folder": (
        {"data_root": "\ud800"},
        'data_root: got "\\ud800"; expected a path of valid Unicode that the file system can have',
    ),
    "a byte that is no text in a path": (
        {"datasets.0.files.train": "a\udcff"},
        'datasets[0].files.train: got "a\\udcff"; '
        "expected a path of valid Unicode that the file system can have",
    ),
    "unknown encoding": (
        {"datasets.0.parser.encoding": "utf-88"},
        'datasets[0].parser.encoding: got "utf-88"; '
        "expected the name of a text encoding that Python knows, such as utf-8 or latin-1",
    ),
    "no steps": ({"training.max_step": 0}, "training.max_step: got 0; expected a number >= 1"),
    "seed too large": (
        {"training.seed": 2**32},
        "training.seed: got 4294967296; expected a number < 4294967296",
    ),
    "dropout of all": (
        {"tasks.0.model.lstm_dropout": 1.0},
        "tasks[0].model.lstm_dropout: got 1.0; expected a number < 1",
    ),
    "negative dropout": (
        {"tasks.0.model.embed_dropout": -0.1},
        "tasks[0].model.embed_dropout: got -0.1; expected a number >= 0",
    ),
    "rate zero": ({"tasks.0.learning_rate": 0}, "tasks[0].learning_rate: got 0; expected a number > 0"),
    "slower decay than JAX can count": (
        {"tasks.0.decay_step": 2**31},
        "tasks[0].decay_step: got 2147483648; expected a number < 2147483648",
    ),
    "steps without end": (
        {"training.max_epoch": 10**400},
        f"training.max_epoch: got 1{'0' * 56}...; expected a number < 2147483648",
    ),
    "replicas that no machine has": (
        {"training.replicas": 4 * 10**9},
        "training.replicas: got 4000000000; expected a number <= 10000",
    ),
    "growing rate": ({"tasks.0.decay_rate": 1.01}, "tasks[0].decay_rate: got 1.01; expected a number <= 1"),
    "negative weight": ({"tasks.1.prob": -1}, "tasks[1].prob: got -1; expected a number >= 0"),
    "sample of less": (
        {"datasets.0.sample": -1},
        'datasets[0].sample: got -1; expected "all", an integer >= 0 or a fraction in (0, 1]',
    ),
    "sample of more": (
        {"datasets.0.sample": 1.5},
        'datasets[0].sample: got 1.5; expected "all", an integer >= 0 or a fraction in (0, 1]',
    ),
    "sample true": (
        {"datasets.0.sample": True},
        'datasets[0].sample: got true; expected "all", an integer >= 0 or a fraction in (0, 1]',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_broken_config_is_refused_with_its_path(four_tasks: dict[str, Any], case: str) -> None:
    edits, message = REFUSED[case]
    with pytest.raises(ConfigError) as caught:
        parse_config(edited(four_tasks, edits), source="c.json")
    assert str(caught.value) == f"c.json: {message}"


@pytest.mark.parametrize("data", [[], 3, "training", None])
def test_a_file_must_hold_an_object(data: Any) -> None:
    with pytest.raises(ConfigError, match=r"^config: got .*; expected an object$"):
        parse_config(data)


def test_every_field_refuses_nonsense_and_every_key_a_slip(four_tasks: dict[str, Any]) -> None:
    whole = parse_config(four_tasks).resolved()
    paths = leaves(whole)
    assert len(paths) > 200
    for path, written in paths.items():
        with pytest.raises(ConfigError) as caught:
            parse_config(edited(whole, {path: [[None]]}))
        # A list of lists is where `filters` and `hidden` begin to be wrong, further down.
        assert str(caught.value).startswith((f"config: {written}: got ", f"config: {written}["))
        key = path.rpartition(".")[2]
        with pytest.raises(ConfigError) as caught:
            parse_config(edited(whole, {f"{path}"[:-1]: 1}))
        assert str(caught.value).startswith(f'config: {written[:-1]}: unknown key; did you mean "{key}"?')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(data=st.data())
def test_nothing_but_config_errors(data: st.DataObject) -> None:
    valid = {
        "data_root": ".",
        "training": {"max_step": 1, "output": "runs/a"},
        "datasets": [{"name": "d", "language": "l", "task": "t", "files": {"train": "a", "dev": "b"}}],
        "tasks": [
            {
                "name": "n",
                "language": "l",
                "task": "t",
                "dataset": "d",
                "ref": True,
                "model": {"word_embed": "w", "lstm": "r", "univ_layer": "u", "crf": "c", "char_embed": "h"},
            }
        ],
        "components": [
            {"name": "w", "model": "embedding", "dimension": 3},
            {"name": "h", "model": "char_cnn", "dimension": 3, "filters": [[1, 2]]},
            {"name": "r", "model": "lstm", "hidden_size": 3},
            {"name": "u", "model": "linear"},
            {"name": "c", "model": "crf"},
        ],
    }
    parse_config(valid)
    path = data.draw(st.sampled_from([*leaves(valid), "training", "datasets.0", "tasks.0.model"]))
    broken = edited(valid, {path: data.draw(JSON)})
    # Any other error fails here.
    with contextlib.suppress(ConfigError):
        config = parse_config(broken)
        assert parse_config(config.resolved()) == config
