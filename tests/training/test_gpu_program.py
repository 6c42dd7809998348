"""What a GPU would be given, read from the program: there need be none here."""

import re
from functools import partial

import jax
import pytest

from mlmt_jax.config import load_config
from mlmt_jax.model import decode, tags_and_losses, word_features
from mlmt_jax.training.setup import Setup, fresh_state, prepare
from mlmt_jax.training.step import train_step


@pytest.fixture
def setup(tiny_run) -> Setup:
    return prepare(load_config(tiny_run.config))


def program(function, *given) -> str:
    return jax.jit(function).trace(*given).lower(lowering_platforms=("cuda",)).as_text()


def programs(setup: Setup) -> dict[str, str]:
    name, batches = next(iter(setup.batches.items()))
    task, batch = setup.model.tasks[name], batches.batch(0)
    params = fresh_state(setup).params
    x = jax.numpy.zeros((len(batch.tokens), params[task.lstm.name]["kernel_0"].shape[1]))
    step = partial(train_step, task, setup.optimizers[name], setup.users)
    return {
        "step": program(step, setup.shapes, batch, jax.random.key(0)),
        "features": program(partial(word_features, task), params, batch),
        "tags": program(partial(decode, task, read=tags_and_losses), params, x, batch),
    }


def test_matrix_products_are_of_float32(setup):
    for name, text in programs(setup).items():
        products = [line for line in text.splitlines() if "dot_general" in line]
        assert products, name
        for line in products:
            assert line.count("HIGHEST") == 2, (name, line)


def is_constant(value: str, name: str, functions: dict[str, str]) -> bool:
    """Whether a value within a function is the same in every run, once functions are put in their places."""
    whole, _, place = value.partition("#")
    body = functions[name]
    if f"{whole} = stablehlo.constant" in body:
        return True
    if chosen := re.search(rf'{whole} = "stablehlo\.case"\((%[\w#]+)\)', body):
        return is_constant(chosen[1], name, functions)
    if called := re.search(rf"{whole}(?::\d+)? = call @(\w+)\(", body):
        [returned] = re.findall(r"(?m)^    return (.*?) :", functions[called[1]])
        return is_constant(returned.split(", ")[int(place or 0)], called[1], functions)
    if not whole.startswith("%arg"):
        return False
    calls = [
        (caller, given.split(", ")[int(whole.removeprefix("%arg"))])
        for caller, own in functions.items()
        for given in re.findall(rf"call @{name}\(([^)]*)\)", own)
    ]
    return bool(calls) and all(is_constant(given, caller, functions) for caller, given in calls)


def test_the_host_is_not_asked_for_a_choice(setup):
    # Only for the one between devices, which is a constant once functions are put in place.
    for text in programs(setup).values():
        functions = dict(re.findall(r"func\.func \w+ @(\w+)(\(.*?)(?=func\.func|\Z)", text, re.DOTALL))
        for name, body in functions.items():
            for index in re.findall(r'"stablehlo\.case"\((%[\w#]+)\)', body):
                assert is_constant(index, name, functions), (name, index)


def test_no_loop_has_the_host_ask_how_far_to_go(setup):
    # Forward and backward over the LSTM, and both ways at once over the CRF.
    loops = {name: text.count("stablehlo.while") for name, text in programs(setup).items()}
    assert loops["step"] == 3
    for text in programs(setup).values():
        for condition in re.findall(r"cond \{(.*?)\} do \{", text, re.DOTALL):
            assert re.search(r"stablehlo.constant dense<\d+>", condition), condition
