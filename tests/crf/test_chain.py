"""The chain of a scheme against the list of all well-formed tag sequences."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from modules import initial_params
from tag_oracles import PREFIXES, SCHEMES, sequences, well_formed

from mlmt_jax import crf
from mlmt_jax.crf import CRF

TYPES = ("Y", "Y-z")


def tag_names(scheme: str, seed: int = 0) -> list[str]:
    """List the tags of a scheme in random order."""
    names = [tags[0] for tags in sequences(1, TYPES, PREFIXES[scheme])]
    return [names[i] for i in np.random.default_rng(seed).permutation(len(names))]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_constraints_allow_exactly_the_well_formed_sequences(scheme):
    names = tag_names(scheme)
    index = {name: i for i, name in enumerate(names)}
    chain = crf.constraints(names, scheme)
    assert all(scores.dtype == np.float32 for scores in chain)
    assert all(np.all(np.isin(scores, [0.0, -np.inf])) for scores in chain)
    for length in range(1, 5):
        allowed = set()
        for tags in sequences(length, TYPES, PREFIXES[scheme]):
            rows = [index[tag] for tag in tags]
            moves = sum(chain.transitions[a, b] for a, b in pairwise(rows))
            if chain.start[rows[0]] + moves + chain.end[rows[-1]] == 0:
                allowed.add(tags)
        assert allowed == well_formed(length, TYPES, scheme).keys()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_constraints_hold_in_log_partition_and_viterbi(scheme):
    names = tag_names(scheme, 1)
    chain = crf.constraints(names, scheme)
    lengths = np.repeat(np.arange(1, 5), 10)
    emissions = np.random.default_rng(2).normal(size=(len(lengths), 4, len(names))).astype(np.float32)
    counts = [len(well_formed(length, TYPES, scheme)) for length in lengths.tolist()]
    log_z = crf.log_partition(np.zeros_like(emissions), chain, lengths)
    np.testing.assert_allclose(log_z, np.log(counts), 1e-5)
    decoded, scores = crf.viterbi(emissions, chain, lengths)
    assert np.all(np.isfinite(scores))
    for tags, length in zip(np.asarray(decoded), lengths.tolist(), strict=True):
        assert tuple(names[tag] for tag in tags[:length]) in well_formed(length, TYPES, scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_constraints_of_the_outside_tag_alone_allow_everything(scheme):
    assert all(np.all(scores == 0) for scores in crf.constraints(["O"], scheme))


@pytest.mark.parametrize(
    ("names", "scheme", "message"),
    [
        (["O"], "bilou", "scheme is 'bilou', expected one of"),
        (["O", "PER"], "io", "tag 'PER' is not one of the scheme 'io'"),
        (["O", "S-X"], "iob2", "tag 'S-X'"),
        (["O", "E-X"], "iob1", "tag 'E-X'"),
        (["O", "B-X"], "io", "tag 'B-X'"),
        (["O-X"], "bioes", "tag 'O-X'"),
        (["B-"], "bioes", "tag 'B-'"),
        (["NOUN", "VERB"], "bioes", "tag 'NOUN'"),
        ([""], "bioes", "tag ''"),
    ],
)
def test_constraints_refuse_tags_outside_the_scheme(names, scheme, message):
    with pytest.raises(ValueError, match=message):
        crf.constraints(names, scheme)


@pytest.mark.parametrize("scheme", [None, "bioes"])
def test_module_adds_the_constraints_to_its_parameters(scheme):
    names = tuple(tag_names("bioes"))
    module = CRF(names, scheme)
    params = initial_params(module)
    chain: Any = module.apply({"params": params})
    for name, scores in chain._asdict().items():
        allowed = np.isfinite(getattr(crf.constraints(names, "bioes"), name)) if scheme else True
        weights = np.asarray(params[name])
        np.testing.assert_array_equal(scores, np.where(allowed, weights, -np.inf))
        assert np.all(weights != 0)
    assert {name: scores.shape for name, scores in params.items()} == {
        "transitions": (9, 9),
        "start": (9,),
        "end": (9,),
    }
