"""Messages that refuse blocks that do not fit each other."""

from typing import Any

import pytest
from config_edits import GONE, Refusal, edited

from mlmt_jax.config import parse_config

EXTRA_LSTM = {"name": "lstm2", "model": "lstm", "hidden_size": 99}

# Components: 0 and 1 word vectors, 2 chars, 3 highway, 4 lstm, 5-7 and 8-10 linears, 11 and 12 crfs.
# Tasks: 0 xho ner (the target), 1 zul ner, 2 xho pos, 3 zul pos.
REFUSED = {
    "component not defined": (
        {"tasks.0.model.lstm": "lstn"},
        'tasks[0].model.lstm: component "lstn" is not defined; did you mean "lstm"?',
    ),
    "component not defined, of its kind": (
        {"tasks.2.model.crf": "pos_cfr"},
        'tasks[2].model.crf: component "pos_cfr" is not defined; did you mean "pos_crf"?',
    ),
    "component like no other": (
        {"tasks.2.model.crf": "zzz"},
        'tasks[2].model.crf: component "zzz" is not defined; known: "ner_crf", "pos_crf"',
    ),
    "component of the wrong kind": (
        {"tasks.1.model.spec_layer": "lstm"},
        'tasks[1].model.spec_layer: "lstm" is of another kind (got lstm, expected linear); '
        'known: "ner_univ", "ner_xho", "ner_zul", "pos_univ", "pos_xho", "pos_zul"',
    ),
    "no component of the kind": (
        {"components.3": GONE},
        'tasks[0].model.char_highway: component "highway" is not defined; known: none (and 3 more)',
    ),
    "component defined twice": (
        {"components.+": {"name": "lstm", "model": "crf"}},
        'components[13].name: "lstm" is defined twice, first in components[4]',
    ),
    "component never used": (
        {"components.+": EXTRA_LSTM},
        'components[13]: component "lstm2" is never used by a task',
    ),
    "component switched off": (
        {f"tasks.{i}.model.use_char_embedding": False for i in range(4)},
        'components[2]: component "chars" is never used: '
        '"use_char_embedding" is false in the tasks that name it (and 1 more)',
    ),
    "no characters": (
        {"tasks.3.model.char_embed": GONE},
        "tasks[3].model.char_embed: missing "
        '(expected the name of a char_cnn, or "use_char_embedding": false)',
    ),
    "data set not defined": (
        {"tasks.1.dataset": "zulu_ner"},
        'tasks[1].dataset: data set "zulu_ner" is not defined; did you mean "zul_ner"?',
    ),
    "data set defined twice": (
        {"datasets.3.name": "xho_pos"},
        'datasets[3].name: "xho_pos" is defined twice, first in datasets[2]',
    ),
    "data set never used": (
        {"tasks.3": GONE, "components.10": GONE},
        'datasets[3]: data set "zul_pos" is never used by a task',
    ),
    "task defined twice": (
        {"tasks.2.name": "xho ner"},
        'tasks[2].name: "xho ner" is defined twice, first in tasks[0]',
    ),
    "language not of the data set": (
        {"tasks.1.language": "zulu"},
        'tasks[1].language: not the language of data set "zul_ner" (got "zulu", expected "zul") (and 2 more)',
    ),
    "task not of the data set": (
        {"datasets.0.task": "names"},
        'tasks[0].task: not the task of data set "xho_ner" (got "ner", expected "names")',
    ),
    "language not of the vectors": (
        {"components.1.language": "ssw"},
        'tasks[1].model.word_embed: "zul_words" is of another language than the task '
        '(got "ssw", expected "zul") (and 1 more)',
    ),
    "vectors of two languages": (
        {"components.0.language": GONE, "components.1": GONE}
        | {f"tasks.{i}.model.word_embed": "xho_words" for i in range(4)},
        'tasks[1].model.word_embed: "xho_words" is shared, but its language is "zul" here '
        'and "xho" in tasks[0].model.word_embed (and 1 more)',
    ),
    "no target": ({"tasks.0.ref": False}, 'tasks: no target (expected "ref": true in exactly one task)'),
    "two targets": (
        {"tasks.3.ref": True},
        'tasks[3].ref: more than one target, first tasks[0] (expected "ref": true in exactly one task)',
    ),
    "target not scored": (
        {"tasks.0.require_eval": False},
        "tasks[0].require_eval: the score of the target selects the checkpoint (got false, expected true)",
    ),
    "target never drawn": (
        {"training.mixing": "prob", "tasks.0.prob": 0},
        'tasks[0].prob: the target is never sampled with "mixing": "prob" (got 0, expected a number > 0)',
    ),
    "no end": (
        {"training.max_step": GONE},
        "training.max_step: missing (expected max_step, max_epoch or both)",
    ),
    "epochs of nothing": (
        {"training": {"max_epoch": 3}, "datasets.0.sample": 0},
        "training.max_step: missing: epochs have no end if the target's sample is 0 "
        "(expected an integer >= 1, and max_epoch null)",
    ),
    "token and tag in one column": (
        {"datasets.0.parser.label_col": 0},
        "datasets[0].parser.label_col: the token is in the same column (got 0, expected another one)",
    ),
    "dropout between one layer": (
        {"components.4.dropout": 0.5},
        "components[4].dropout: invalid value (got 0.5, expected 0, because num_layers is 1); "
        "see lstm_dropout of the tasks",
    ),
    "one layer in both roles": (
        {"tasks.0.model.spec_layer": "ner_univ", "components.6": GONE},
        'tasks[0].model.spec_layer: "ner_univ" is its univ_layer as well (expected another linear)',
    ),
    "lstm over different words": (
        {"components.1.dimension": 100},
        'tasks[1].model.lstm: "lstm" is shared, but its input size is 150 (100 word + 50 character) here '
        "and 100 (50 word + 50 character) in tasks[0].model.lstm (and 1 more)",
    ),
    "lstm with and without characters": (
        {"tasks.2.model.use_char_embedding": False},
        'tasks[2].model.lstm: "lstm" is shared, but its input size is 50 (50 word + 0 character) here '
        "and 100 (50 word + 50 character) in tasks[0].model.lstm",
    ),
    "highway over different characters": (
        {
            "components.+": {"name": "chars2", "model": "char_cnn", "dimension": 25, "filters": [[2, 7]]},
            "tasks.3.model.char_embed": "chars2",
        },
        'tasks[3].model.char_highway: "highway" is shared, but its input size is 7 here '
        "and 50 in tasks[0].model.char_highway (and 1 more)",
    ),
    "linear after different encoders": (
        {"components.+": EXTRA_LSTM, "tasks.1.model.lstm": "lstm2"},
        'tasks[1].model.univ_layer: "ner_univ" is shared, but its input size is 198 here '
        "and 342 in tasks[0].model.univ_layer",
    ),
    "linear of two tag sets": (
        {
            "tasks.2.model.univ_layer": "ner_univ",
            "tasks.3.model.univ_layer": "ner_univ",
            "components.8": GONE,
        },
        'tasks[2].model.univ_layer: "ner_univ" is shared, but its tag set is that of "pos" here '
        'and that of "ner" in tasks[0].model.univ_layer (and 1 more)',
    ),
    "crf of two tag sets": (
        {"tasks.2.model.crf": "ner_crf"},
        'tasks[2].model.crf: "ner_crf" is shared, but its tag set is that of "pos" here '
        'and that of "ner" in tasks[0].model.crf',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_blocks_that_do_not_fit_are_refused(refusal: Refusal, case: str) -> None:
    edits, message = REFUSED[case]
    assert refusal(edits) == message


def test_the_unedited_config_is_accepted(four_tasks: dict[str, Any]) -> None:
    parse_config(four_tasks)


def test_characters_can_be_left_out(four_tasks: dict[str, Any]) -> None:
    edits: dict[str, Any] = {"components.3": GONE}
    edits["components.2"] = GONE
    for i in range(4):
        edits |= {f"tasks.{i}.model.char_embed": GONE, f"tasks.{i}.model.char_highway": GONE}
        edits[f"tasks.{i}.model.use_char_embedding"] = False
    config = parse_config(edited(four_tasks, edits))
    assert list(config.target.model.component_names()) == [
        "word_embed",
        "lstm",
        "univ_layer",
        "spec_layer",
        "crf",
    ]


@pytest.mark.parametrize("key", ["seed", "sample_seed"])
def test_seed_of_the_last_replica_has_32_bits(four_tasks: dict[str, Any], refusal: Refusal, key: str) -> None:
    training = {f"training.{key}": 2**32 - 2}
    parse_config(edited(four_tasks, {**training, "training.replicas": 2}))
    message = "invalid value (got 4294967294, expected a number < 4294967294 with 3 replicas)"
    assert refusal({**training, "training.replicas": 3}) == f"training.{key}: {message}"
