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

    def may_follow(tag: tuple[str, ...], next_tag: tuple[str, ...]) -> bool:
        by_type = rules.same_type if tag[1] == next_tag[1] else rules.other_type
        return tag[0] + next_tag[0] in f"{rules.any_types} {by_type}"

    transitions = [[may_follow(tag, next_tag) for next_tag in tags] for tag in tags]
    ends = ([prefix in prefixes for prefix, _ in tags] for prefixes in (rules.starts, rules.ends))
    return Chain(*(np.where(allowed, np.float32(0), np.float32(-np.inf)) for allowed in (transitions, *ends)))
