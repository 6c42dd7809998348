"""Compiled programs: few of them, shared by task models and runs, and the same whatever compiles them."""

import copy
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_corpus
from compilations import recorded_compilations
from config_edits import edited
from tiny_runs import train_run

from mlmt_jax.training import programs
from mlmt_jax.training.programs import Program, compiler_options

STEPS, EVALUATION = {"train_step"}, {"_decode", "char_features"}


def count(names: list[str], functions: set[str]) -> int:
    """Return the number of compiled programs with these names of functions."""
    return sum(name.removeprefix("Compiling jit(").removesuffix(")") in functions for name in names)


def whole_config(hidden_size: int) -> dict[str, Any]:
    """Return a config of four task models whose target is a sample; no other test has the hidden size."""
    data = tiny_corpus.config()
    data["training"] |= {"max_step": 12, "eval_freq": 6}
    [lstm] = [component for component in data["components"] if component["name"] == "lstm"]
    lstm["hidden_size"] = hidden_size
    return edited(data, {"datasets.0.sample": 12})


CHANGES = {
    "another random sample": {"training.seed": 11},
    "another target": {"tasks.0.ref": False, "tasks.1.ref": True},
    "learning rates": {"tasks.0.learning_rate": 0.05, "tasks.1.decay_rate": 0.5, "tasks.2.decay_step": 7},
    "optimizers": {"tasks.0.momentum": 0.5, "tasks.1.gradient_clipping": 1.0},
    "dropout": {f"tasks.{i}.model.lstm_dropout": 0.7 for i in range(4)},
    "weights": {"training.aux_task_weight": 1.0, "training.aux_language_weight": 0.1},
}


def test_four_task_models_share_few_programs_that_other_runs_use_too(corpus_copy: Path) -> None:
    data = whole_config(7)
    with recorded_compilations() as first:
        train_run(corpus_copy, data, "first")
    assert 1 <= count(first, STEPS) <= 2
    assert 1 <= count(first, EVALUATION) <= 4
    for number, (name, edits) in enumerate(CHANGES.items()):
        with recorded_compilations() as again:
            train_run(corpus_copy, edited(copy.deepcopy(data), edits), f"again{number}")
        assert count(again, STEPS | EVALUATION) == 0, name


def test_the_average_needs_one_program_more(corpus_copy: Path) -> None:
    with recorded_compilations() as averaged:
        train_run(corpus_copy, edited(whole_config(9), {"training.average_steps": 100}), "averaged")
    assert count(averaged, {"update_average"}) == 1
    # Those of a run without it, for two shapes of batches.
    for name in ("train_step", "gather", "scatter"):
        assert 1 <= count(averaged, {name}) <= 2
    assert count(averaged, {"catch_up_all"}) == 1


def test_one_data_set_needs_few_programs(corpus_copy: Path) -> None:
    data = tiny_corpus.only_tasks(whole_config(6), "nld ner")
    with recorded_compilations() as compiled:
        train_run(corpus_copy, data, "run")
    assert 1 <= count(compiled, STEPS) <= 2
    assert 1 <= count(compiled, EVALUATION) <= 3  # features of characters may be there from other tests


def test_a_program_is_compiled_once_for_each_shape_and_static_argument() -> None:
    traced = []

    def scaled_sum(factor: int, x: jax.Array) -> jax.Array:
        traced.append((factor, x.shape))
        return factor * jnp.sum(x)

    program = Program(scaled_sum, 1)
    program.compile_in_advance(2, jax.ShapeDtypeStruct((3,), np.float32))
    for size in (3, 3, 4):
        assert float(program(2, np.ones(size, np.float32))) == 2 * size
    assert float(program(5, np.ones(3, np.float32))) == 15
    assert traced == [(2, (3,)), (2, (4,)), (5, (3,))]


def test_an_error_of_compiling_reaches_the_call() -> None:
    def refuse(x: jax.Array) -> jax.Array:
        raise ValueError("no program")

    program = Program(refuse)
    program.compile_in_advance(np.zeros(2))
    for _ in range(2):
        with pytest.raises(ValueError, match="no program"):
            program(np.zeros(2))


def test_options_that_this_version_does_not_know_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    known = compiler_options()
    options = {**programs._OPTIONS["cpu"], "xla_no_such_option": True}
    monkeypatch.setattr(programs, "_OPTIONS", {jax.default_backend(): options})
    assert compiler_options.__wrapped__() == known
