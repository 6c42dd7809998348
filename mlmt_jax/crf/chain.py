"""The scores of a linear chain over tags, and the chains that tag schemes allow."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class _Scheme(NamedTuple):
    """Prefixes that may begin and end a sentence, and pairs of prefixes that may follow each other."""

    starts: str
    ends: str
    any_types: str  # pairs that are allowed whatever the types of the two tags
    same_type: str = ""  # pairs that are allowed if both tags have the same type
    other_type: str = ""  # pairs that are allowed if their types differ


_SCHEMES = {
    "bioes": _Scheme("OBS", "OES", "OO OB OS EO EB ES SO SB SS", "BI BE II IE"),
    "iob2": _Scheme("OB", "OBI", "OO OB BO BB IO IB", "BI II"),
    # In IOB1 a span begins with I; B begins a span directly after another span of the same type.
    "iob1": _Scheme("OI", "OBI", "OO OI IO BO", "II IB BI BB", "II BI"),
    "io": _Scheme("OI", "OI", "OO OI IO II"),
}


class Chain(NamedTuple):
    """Scores of a linear chain over t tags, as JAX or NumPy arrays, in nats; ``-inf`` forbids."""

    transitions: Any  # (t, t) float, transitions[from, to]
    start: Any  # (t,) float, score of a sentence that begins with the tag
    end: Any  # (t,) float, score of a sentence that ends with the tag


def constraints(tag_names: Sequence[str], scheme: str) -> Chain:
    """Return the chain that allows exactly the well-formed tag sequences of a scheme.

    Args:
        tag_names: the t tags by index, each "O" or PREFIX-TYPE with a prefix of the scheme (not L, U or M)
            and a type that is not empty. Repeated names are not checked.
        scheme: "bioes", "iob2", "iob1" or "io".

    Returns:
        ``Chain`` of NumPy float32 arrays, transitions[from, to]: 0 allows a transition, a start or an end,
        and ``-inf`` forbids it.

    Raises:
        ValueError: if the scheme is unknown ("none" too), or a tag is not one of the scheme.
    """
    if scheme not in _SCHEMES:
        raise ValueError(f"scheme is {scheme!r}, expected one of {sorted(_SCHEMES)}")
    rules = _SCHEMES[scheme]
    prefixes = set(rules.any_types + rules.same_type) - {" "}
    tags = [name.partition("-")[::2] for name in tag_names]  # (prefix, type)
    for name, (prefix, kind) in zip(tag_names, tags, strict=True):
        if prefix not in prefixes or (prefix == "O") != (not kind):
            raise ValueError(f"tag {name!r} is not one of the scheme {scheme!r}")
    transitions = np.full((len(tags), len(tags)), -np.inf, np.float32)
    for i, (prefix, kind) in enumerate(tags):
        for j, (next_prefix, next_kind) in enumerate(tags):
            by_type = rules.same_type if kind == next_kind else rules.other_type
            if prefix + next_prefix in f"{rules.any_types} {by_type}":
                transitions[i, j] = 0.0
    start = np.array([0.0 if prefix in rules.starts else -np.inf for prefix, _ in tags], np.float32)
    end = np.array([0.0 if prefix in rules.ends else -np.inf for prefix, _ in tags], np.float32)
    return Chain(transitions, start, end)
