"""The chain of a linear-chain CRF, and the chains that a tag scheme allows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Chain", "constraints"]

# Which prefix may follow which, where both tags name the same type, another one, or whatever they name.
_FOLLOWS: dict[str, dict[str, set[str]]] = {
    "bioes": {
        "same": {"BI", "BE", "II", "IE"},
        "any": {"OO", "OB", "OS", "EO", "EB", "ES", "SO", "SB", "SS"},
    },
    "iob2": {"same": {"BI", "II"}, "any": {"OO", "OB", "BO", "BB", "IO", "IB"}},
    # IOB1 opens a span with I; B is for a span right behind another one of its type.
    "iob1": {"same": {"II", "IB", "BI", "BB"}, "other": {"II", "BI"}, "any": {"OO", "OI", "IO", "BO"}},
    "io": {"any": {"OO", "OI", "IO", "II"}},
}  # fmt: skip
_STARTS = {"bioes": "OBS", "iob2": "OB", "iob1": "OI", "io": "OI"}
_ENDS = {"bioes": "OES", "iob2": "OBI", "iob1": "OBI", "io": "OI"}


class Chain(NamedTuple):
    """Scores of a linear chain over t tags, as JAX or NumPy arrays, in nats; ``-inf`` means forbidden."""

    transitions: Any  # (t, t) float, transitions[from, to]
    start: Any  # (t,) float, score of a sentence that begins with the tag
    end: Any  # (t,) float, score of a sentence that ends with the tag


def constraints(tag_names: Sequence[str], scheme: str) -> Chain:
    """The chain that allows exactly the well-formed tag sequences of a scheme.

    Args:
        tag_names: the t tags in the order of their indices; "O" or PREFIX-TYPE.
        scheme: "bioes", "iob2", "iob1" or "io".

    Returns:
        A ``Chain`` of 0 (allowed) and ``-inf`` (forbidden), float32, start and end included.

    Raises:
        ValueError: on an unknown scheme, or a tag that the scheme does not have.
    """
    if scheme not in _FOLLOWS:
        raise ValueError(f"scheme is {scheme!r}, expected one of {sorted(_FOLLOWS)}")
    follows = _FOLLOWS[scheme]
    prefixes = {letter for pairs in follows.values() for pair in pairs for letter in pair}
    split = [_split(name) for name in tag_names]
    for name, (prefix, kind) in zip(tag_names, split, strict=True):
        if prefix not in prefixes or (prefix == "O") != (not kind):
            raise ValueError(f"tag {name!r} is not one of the scheme {scheme!r}")
    t = len(split)
    transitions = np.full((t, t), -np.inf, np.float32)
    for i, (prefix, kind) in enumerate(split):
        for j, (next_prefix, next_kind) in enumerate(split):
            relation = "same" if kind == next_kind else "other"
            pair = prefix + next_prefix
            if pair in follows.get("any", ()) or pair in follows.get(relation, ()):
                transitions[i, j] = 0.0
    start = np.array([0.0 if p in _STARTS[scheme] else -np.inf for p, _ in split], np.float32)
    end = np.array([0.0 if p in _ENDS[scheme] else -np.inf for p, _ in split], np.float32)
    return Chain(transitions, start, end)


def _split(name: str) -> tuple[str, str]:
    prefix, _, kind = name.partition("-")
    return prefix, kind
