"""Properties of the programs that are lowered for a GPU; no GPU is needed."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import pytest

from mlmt_jax.config import load_config
from mlmt_jax.model.readers import decode, tags_and_losses
from mlmt_jax.model.task_model import word_features
from mlmt_jax.training.setup import Setup, fresh_state, prepare
from mlmt_jax.training.step import train_step


@pytest.fixture(scope="module")
def lowered(tiny_run) -> dict[str, str]:
    return programs(prepare(load_config(tiny_run.config)))


def program(function, *arguments) -> str:
    return jax.jit(function).trace(*arguments).lower(lowering_platforms=("cuda",)).as_text()


def programs(setup: Setup) -> dict[str, str]:
    name, batches = next(iter(setup.batches.items()))
    task, batch = setup.model.tasks[name], batches.batch(0)
    params = fresh_state(setup).params
    x = jax.numpy.zeros((len(batch.word_ids), params[task.lstm.name]["kernel_0"].shape[1]))
    step = partial(train_step, setup.task_training(name))
    return {
        "step": program(step, setup.shapes, batch, jax.random.key(0)),
        "features": program(partial(word_features, task), params, batch.words),
        "tags": program(partial(decode, task, reader=tags_and_losses), params, x, batch.sentences),
    }


def test_matrix_products_are_in_float32(lowered):
    for name, text in lowered.items():
        products = [line for line in text.splitlines() if "dot_general" in line]
        assert products, name
        for line in products:
            assert line.count("HIGHEST") == 2, (name, line)


def is_constant(value: str, name: str, functions: dict[str, str]) -> bool:
    """Return True if a value of a function is a constant of the program, followed through calls."""
    whole, _, index = value.partition("#")
    body = functions[name]
    if f"{whole} = stablehlo.constant" in body:
        return True
    if chosen := re.search(rf'{whole} = "stablehlo\.case"\((%[\w#]+)\)(.*?)\}}\) :', body, re.DOTALL):
        ways = re.findall(r"stablehlo\.return (%[\w#]+) :", chosen[2])
        return bool(ways) and all(is_constant(result, name, functions) for result in (chosen[1], *ways))
    if called := re.search(rf"{whole}(?::\d+)? = call @(\w+)\(", body):
        [returned] = re.findall(r"(?m)^    return (.*?) :", functions[called[1]])
        return is_constant(returned.split(", ")[int(index or 0)], called[1], functions)
    if not whole.startswith("%arg"):
        return False
    calls = [
        (caller, argument.split(", ")[int(whole.removeprefix("%arg"))])
        for caller, source in functions.items()
        for argument in re.findall(rf"call @{name}\(([^)]*)\)", source)
    ]
    return bool(calls) and all(is_constant(argument, caller, functions) for caller, argument in calls)


def branches(text: str) -> list[bool]:
    """Return for each branch of a program whether a constant decides it."""
    functions = dict(re.findall(r"func\.func \w+ @(\w+)(\(.*?)(?=func\.func|\Z)", text, re.DOTALL))
    is_known = [
        is_constant(index, name, functions)
        for name, body in functions.items()
        for index in re.findall(r'"stablehlo\.case"\((%[\w#]+)\)', body)
    ]
    assert len(is_known) == text.count('"stablehlo.case"')
    return is_known


def test_no_branch_depends_on_device_values(lowered):
    # Constants decide the branch between platforms.
    assert all(all(branches(text)) for text in lowered.values())
    assert branches(lowered["step"])


def test_a_branch_that_depends_on_values_is_found():
    one_of_two = lambda x: jnp.sum(jax.lax.cond(jnp.any(x > 0), jnp.sin, jnp.cos, x))
    assert not any(branches(program(jax.grad(one_of_two), jnp.ones(3))))


def test_no_loop_has_a_number_of_steps_from_the_device(lowered):
    # Forward and backward over the LSTM, and both ways at once over the CRF.
    assert lowered["step"].count("stablehlo.while") == 3
    for text in lowered.values():
        conditions = re.findall(r"cond \{(.*?)\} do \{", text, re.DOTALL)
        assert len(conditions) == text.count("stablehlo.while")
        for condition in conditions:
            assert re.search(r"stablehlo.constant dense<\d+>", condition), condition
