"""Task models from a config, and their initial parameters."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilations import recorded_compilations
from small_model import PAIRS, SIZES, small_config

from mlmt_jax.model.build import Model, build_model, init_params, put_vectors
from mlmt_jax.model.linear import MLP, Linear
from mlmt_jax.types import Params


@pytest.fixture(scope="module")
def four() -> Model:
    return build_model(small_config(), SIZES)


@pytest.fixture(scope="module")
def fresh(four: Model) -> Callable[[int], Params]:
    return lambda seed: init_params(four, jax.random.key(seed))


@pytest.fixture(scope="module")
def params(fresh: Callable[[int], Params]) -> Params:
    return fresh(11)


def test_a_shared_component_has_one_set_of_parameters(four, params):
    gates = {f"{task}/gate" for task in four.tasks}
    heads = {f"{task}_{kind}" for task in ("ner", "pos") for kind in ("univ", "xho", "zul", "crf")}
    assert params.keys() == {"xho_words", "zul_words", "chars", "highway", "lstm"} | heads | gates
    assert params["zul_words"]["table"].shape == (11, 5)
    assert params["ner_univ"]["kernel"].shape == (12, 5)
    assert params["xho pos/gate"]["kernel"].shape == (12, 3)
    modules = {}
    for task in four.tasks.values():
        for part in task.parts.values():
            assert modules.setdefault(part.name, part.module) == part.module
    assert modules.keys() == params.keys()


def test_initial_parameters_of_a_component_do_not_depend_on_others(params):
    model = build_model(small_config((("zul", "pos"),)), SIZES)
    alone = init_params(model, jax.random.key(11))
    assert "zul pos/gate" in alone
    for name, leaves in alone.items():
        jax.tree.map(np.testing.assert_array_equal, leaves, params[name])


def test_initial_parameters_differ_between_components_and_keys(fresh, params):
    assert not np.allclose(params["ner_univ"]["kernel"], params["ner_xho"]["kernel"], 0.1)
    assert not np.allclose(params["ner_univ"]["kernel"], params["xho ner/gate"]["kernel"], 0.1)
    other_params = fresh(12)
    for name in params:
        random_leaves = {"kernel", "table", "kernel_0", "recurrent_0", "transitions"} & params[name].keys()
        for leaf in random_leaves:
            assert not np.allclose(params[name][leaf], other_params[name][leaf], 0.1), (name, leaf)


def test_parameters_start_near_unit_scale(params):
    for leaf in jax.tree.leaves(params):
        assert leaf.dtype == jnp.float32
        assert np.all(np.isfinite(leaf))
        assert np.max(np.abs(leaf)) < 4


def test_vectors_are_put_into_their_rows_and_other_rows_are_scaled(params):
    random = np.random.default_rng(0)
    rows, vectors = np.array([7, 2, 5]), (30 * random.normal(size=(3, 5))).astype(np.float32)
    before = np.array(params["xho_words"]["table"])
    new_params = put_vectors(params, {"xho_words": (rows, vectors)})
    table = np.asarray(new_params["xho_words"]["table"])
    np.testing.assert_array_equal(table[rows], vectors)
    other_rows = np.setdiff1d(np.arange(13), rows)
    np.testing.assert_allclose(table[other_rows], before[other_rows] * np.std(vectors) / np.std(before), 1e-5)
    assert table.dtype == np.float32
    # The argument does not change, and all other tables are the same.
    np.testing.assert_array_equal(params["xho_words"]["table"], before)
    assert all(new_params[name] is params[name] for name in params if name != "xho_words")


@pytest.mark.parametrize("constrain", [None, True, False])
def test_chains_are_constrained_for_spans_by_default(constrain):
    config = small_config(ner_crf={"constrain": constrain})
    tasks = build_model(config, SIZES).tasks
    module = tasks["xho ner"].crf.module
    assert module.tag_names == tuple(SIZES.tags["ner"])
    assert module.scheme == (None if constrain is False else "bioes")
    assert tasks["xho pos"].crf.module.scheme is None


def test_hidden_layers_make_an_mlp():
    model = build_model(small_config(ner_univ={"hidden": [8, 7], "activation": "relu"}), SIZES)
    task = model.tasks["xho ner"]
    assert task.univ_layer.module == MLP(5, (8, 7), jax.nn.relu)
    assert task.spec_layer is not None
    assert task.spec_layer.module == Linear(5)
    shapes = jax.eval_shape(partial(init_params, model), jax.random.key(0))["ner_univ"]
    kernels = {name: layer["kernel"].shape for name, layer in shapes.items()}
    assert kernels == {"hidden_0": (12, 8), "hidden_1": (8, 7), "output": (7, 5)}


@pytest.mark.parametrize(
    ("roles", "missing", "inputs"),
    [
        ({}, set(), 12),
        ({"char_highway": None}, {"char_highway"}, 12),
        (
            {"use_char_embedding": False, "char_embed": None, "char_highway": None},
            {"char_embed", "char_highway"},
            5,
        ),
        ({"spec_layer": None}, {"spec_layer", "gate"}, 12),
    ],
)
def test_roles_may_be_left_out(roles, missing, inputs):
    model = build_model(small_config(roles=roles), SIZES)
    every = {"word_embed", "char_embed", "char_highway", "lstm", "univ_layer", "spec_layer", "gate", "crf"}
    for task in model.tasks.values():
        assert task.parts.keys() == every - missing
    shapes = jax.eval_shape(partial(init_params, model), jax.random.key(0))
    assert shapes["lstm"]["kernel_0"].shape == (2, inputs, 24)


def test_modules_have_the_values_of_the_config():
    edits: dict[str, Any] = {
        "lstm": {"bidirectional": False, "forget_bias": 0.5, "num_layers": 2, "dropout": 0.3},
        "highway": {"num_layers": 3, "activation": "relu"},
    }
    roles = {"embed_dropout": 0.1, "lstm_dropout": 0.2, "linear_dropout": 0.4}
    task = build_model(small_config(roles=roles, **edits), SIZES).tasks["zul ner"]
    lstm = task.lstm.module
    assert (lstm.features, lstm.forget_bias, lstm.num_layers, lstm.dropout) == (6, 0.5, 2, 0.3)
    assert task.char_highway is not None
    assert task.char_highway.module.num_layers == 3
    assert task.char_highway.module.activation is jax.nn.relu
    assert (task.embed_dropout, task.lstm_dropout, task.linear_dropout) == (0.1, 0.2, 0.4)


def test_a_rebuilt_model_is_equal_and_compiles_nothing(four):
    again = build_model(small_config(), SIZES)
    assert list(again.tasks) == [f"{language} {task}" for language, task in PAIRS]
    assert again.tasks == four.tasks
    assert len({*again.tasks.values(), *four.tasks.values()}) == 4
    count = jax.jit(lambda task, x: x + len(task.parts), static_argnums=0)
    with recorded_compilations() as programs:
        count(four.tasks["xho ner"], 1.0)
    assert programs
    with recorded_compilations() as programs:
        count(again.tasks["xho ner"], 2.0)
    assert programs == []
