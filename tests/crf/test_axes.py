"""Arguments that do not fit are refused by every public function, with actual and expected shape or dtype."""

from typing import Any

import jax
import numpy as np
import pytest
from crf_cases import FUNCTIONS, Inputs, random_inputs

N, T = 4, 3


def replaced(**fields) -> Any:
    return lambda x: x._replace(**{name: change(getattr(x, name)) for name, change in fields.items()})


def rechained(**fields) -> Any:
    return replaced(chain=replaced(**fields))


TAGGED = ("score", "log_likelihood", "path_log_probabilities")
REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "no tags axis": (replaced(emissions=lambda e: e[0, 0]), ValueError, r"emissions have shape \(3,\)"),
    "no words": (replaced(emissions=lambda e: e[:, :0]), ValueError, "n and t at least 1"),
    "integer emissions": (
        replaced(emissions=lambda e: e.astype(int)),
        TypeError,
        "are int.*, expected float",
    ),
    "lengths of another batch": (
        replaced(lengths=lambda x: x[:1]),
        ValueError,
        r"lengths have shape \(1,\), expected \(5,\)",
    ),
    "one length": (replaced(lengths=lambda x: 4), ValueError, r"lengths have shape \(\), expected \(5,\)"),
    "lengths as a mask": (replaced(lengths=lambda x: x > 0), TypeError, "are bool, expected integers"),
    "fractional lengths": (replaced(lengths=lambda x: x * 1.0), TypeError, "are float.*, expected integers"),
    "transitions of another size": (
        rechained(transitions=lambda x: x[:, :2]),
        ValueError,
        r"chain.transitions has shape \(3, 2\), expected \(3, 3\) for 3 tags",
    ),
    "start of another size": (
        rechained(start=lambda x: x[:2]),
        ValueError,
        r"chain.start has shape \(2,\), expected \(3,\)",
    ),
    "end per sentence": (
        rechained(end=lambda x: np.stack([x] * 5)),
        ValueError,
        r"chain.end has shape \(5, 3\), expected \(3,\)",
    ),
    "integer transitions": (
        rechained(transitions=lambda x: x.astype(int)),
        TypeError,
        "chain.transitions is int.*, expected floating point",
    ),
}
TAGS_REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "tags of one sentence": (lambda y, e: y[0], ValueError, r"tags have shape \(4,\), expected \(5, 4\)"),
    "one-hot tags": (lambda y, e: e.astype(int), ValueError, r"shape \(5, 4, 3\), expected \(5, 4\)"),
    "a mask for tags": (lambda y, e: e > 0, ValueError, r"tags have shape \(5, 4, 3\), expected \(5, 4\)"),
    "boolean tags": (lambda y, e: y > 0, TypeError, "tags are bool, expected integers"),
    "fractional tags": (lambda y, e: y * 1.0, TypeError, "tags are float.*, expected integers"),
}
MASK_REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "an integer mask": (lambda a: a.astype(int), TypeError, "allowed are int.*, expected booleans"),
    "a float mask": (lambda a: a * 1.0, TypeError, "allowed are float.*, expected booleans"),
    "tags for a mask": (lambda a: a[..., 0].astype(int), ValueError, r"shape \(5, 4\), expected \(5, 4, 3\)"),
    "a mask of words": (
        lambda a: a[..., 0],
        ValueError,
        r"allowed have shape \(5, 4\), expected \(5, 4, 3\)",
    ),
    "one for all sentences": (lambda a: a[0], ValueError, r"allowed have shape \(4, 3\)"),
}


def check_refusal(name: str, inputs: Inputs, error: type[Exception], message: str) -> None:
    """Check the error of a function that is traced on shapes and dtypes alone."""
    with pytest.raises(error, match=message):
        jax.eval_shape(FUNCTIONS[name], *inputs)


@pytest.mark.parametrize("why", REFUSED)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_refuses_scores_and_lengths_that_do_not_fit(name, why):
    change, error, message = REFUSED[why]
    check_refusal(name, change(random_inputs(0, N, T)), error, message)


@pytest.mark.parametrize("why", TAGS_REFUSED)
@pytest.mark.parametrize("name", TAGGED)
def test_tags_that_do_not_fit_are_refused(name, why):
    change, error, message = TAGS_REFUSED[why]
    inputs = random_inputs(0, N, T)
    check_refusal(name, inputs._replace(tags=change(inputs.tags, inputs.emissions)), error, message)


@pytest.mark.parametrize("why", MASK_REFUSED)
def test_masks_that_do_not_fit_are_refused(why):
    change, error, message = MASK_REFUSED[why]
    inputs = random_inputs(0, N, T)
    inputs = inputs._replace(allowed=change(inputs.allowed))
    check_refusal("span_log_probability", inputs, error, message)


def test_tags_are_not_accepted_as_a_mask_if_n_equals_t():
    inputs = random_inputs(0, T, T, lead=())
    inputs = inputs._replace(allowed=inputs.tags)
    check_refusal("span_log_probability", inputs, ValueError, r"allowed have shape \(3,\), expected \(3, 3\)")
