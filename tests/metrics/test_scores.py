"""Scores of spans and tokens against seqeval, conlleval and hand-worked examples."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import accuracy_score, classification_report, f1_score
from seqeval.scheme import IOB1, IOB2, IOBES
from tag_oracles import PREFIXES, SCHEMES, conlleval_spans

from mlmt_jax.metrics.scores import Counts, score_spans, score_tokens
from mlmt_jax.metrics.spans import Scheme

TYPES = ("LOC", "ORG", "PER")
SEQEVAL: dict[Scheme, type] = {"iob1": IOB1, "iob2": IOB2, "bioes": IOBES}


def random_corpus(seed, scheme, sentences=60):
    """Draw gold and predicted tags that agree in about three of four; most sentences are ill-formed."""
    rng = random.Random(seed)
    alphabet = ["O", *(f"{p}-{t}" for p in PREFIXES[scheme] for t in TYPES)]
    gold = [rng.choices(alphabet, k=rng.randint(1, 25)) for _ in range(sentences)]
    predicted = [[tag if rng.random() < 0.75 else rng.choice(alphabet) for tag in tags] for tags in gold]
    return gold, predicted


def pairs_of_tags(tags):
    pair = st.lists(st.tuples(st.sampled_from(tags), st.sampled_from(tags)), max_size=8)
    return st.lists(pair.map(lambda p: ([g for g, _ in p], [q for _, q in p])), max_size=5)


SPAN_TAGS = ["O", *(f"{p}-{t}" for p in "BIES" for t in "XY")]


@pytest.mark.parametrize("scheme", SEQEVAL)
@pytest.mark.parametrize("seed", range(5))
def test_strict_scores_agree_with_seqeval(scheme, seed):
    gold, predicted = random_corpus(seed, scheme)
    score = score_spans(gold, predicted, scheme)
    options: Any = {"mode": "strict", "scheme": SEQEVAL[scheme], "output_dict": True}
    report: Any = classification_report(gold, predicted, **options)
    assert {"precision": score.precision, "recall": score.recall, "f1-score": score.f1} == pytest.approx(
        {name: report["micro avg"][name] for name in ("precision", "recall", "f1-score")}
    )
    assert score.accuracy == pytest.approx(accuracy_score(gold, predicted))
    assert set(score.types) == set(TYPES)
    for name, counts in score.types.items():
        assert {
            "precision": counts.precision,
            "recall": counts.recall,
            "f1-score": counts.f1,
            "support": counts.gold,
        } == pytest.approx(report[name])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_lenient_f1_agrees_with_conlleval_and_seqeval(scheme):
    gold, predicted = random_corpus(11, scheme)
    readings = [
        {(number, *span) for number, tags in enumerate(side) for span in conlleval_spans(tags)}
        for side in (gold, predicted)
    ]
    expected = 2 * len(readings[0] & readings[1]) / (len(readings[0]) + len(readings[1]))
    score = score_spans(gold, predicted, scheme)
    assert score.lenient_f1 == pytest.approx(expected)
    assert score.lenient_f1 == pytest.approx(f1_score(gold, predicted))
    if scheme == "io":
        assert score.f1 == score.lenient_f1


def test_scores_of_a_corpus_worked_by_hand():
    gold = [["B-PER", "E-PER", "O", "S-LOC"], ["O", "S-LOC", "O"], ["B-ORG", "I-ORG", "E-ORG"]]
    predicted = [["B-PER", "E-PER", "O", "S-ORG"], ["O", "S-LOC", "S-LOC"], ["B-ORG", "I-ORG", "I-ORG"]]
    score = score_spans(gold, predicted, "bioes")
    assert score.types == {"LOC": Counts(1, 2, 2), "ORG": Counts(0, 1, 1), "PER": Counts(1, 1, 1)}
    assert score.precision == 2 / 4
    assert score.recall == 2 / 4
    assert score.f1 == 1 / 2
    assert score.lenient_f1 == 2 * 3 / (5 + 4)  # conlleval ends ORG at the end of the sentence
    assert score.accuracy == 7 / 10
    assert (score.tokens, score.sentences) == (10, 3)
    assert json.loads(json.dumps(score.as_json())) == {
        "precision": 0.5,
        "recall": 0.5,
        "f1": 0.5,
        "lenient_f1": 6 / 9,
        "accuracy": 0.7,
        "types": {
            "LOC": {"precision": 0.5, "recall": 0.5, "f1": 0.5, "gold": 2, "predicted": 2},
            "ORG": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "gold": 1, "predicted": 1},
            "PER": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "gold": 1, "predicted": 1},
        },
    }


def test_token_scores_worked_by_hand():
    score = score_tokens([["NOUN", "VERB", "NOUN"], ["B-x"]], [["NOUN", "NOUN", "NOUN"], ["B-x"]])
    assert score.accuracy == 3 / 4
    assert score.types == {"B-x": Counts(1, 1, 1), "NOUN": Counts(2, 3, 2), "VERB": Counts(0, 0, 1)}
    assert (score.tokens, score.sentences) == (4, 2)
    assert (score.precision, score.recall, score.f1, score.lenient_f1) == (None, None, None, None)
    written = score.as_json()
    assert written["f1"] is None
    assert written["types"]["VERB"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "gold": 1, "predicted": 0}


def test_empty_corpora_score_zero():
    for score in (score_spans([], [], "iob2"), score_spans([[]], [[]], "iob2")):
        assert (score.precision, score.recall, score.f1, score.lenient_f1, score.accuracy) == (0, 0, 0, 0, 0)
        assert (score.types, score.tokens) == ({}, 0)
    assert score_tokens([], []).accuracy == 0
    assert score_spans([["O", "O"]], [["O", "O"]], "bioes").f1 == 0


def test_counts_add_and_give_precision_recall_and_f1():
    assert Counts(1, 2, 3) + Counts(10, 20, 30) == Counts(11, 22, 33)
    assert Counts(3, 4, 6).precision == 3 / 4
    assert Counts(3, 4, 6).recall == 3 / 6
    assert Counts(3, 4, 6).f1 == 6 / 10
    assert Counts(0, 0, 0).f1 == 0


@pytest.mark.parametrize("score", [lambda g, p: score_spans(g, p, "iob2"), score_tokens])
def test_unequal_numbers_of_sentences_or_tags_are_refused(score):
    with pytest.raises(ValueError, match="2 gold sentences but 1"):
        score([["O"], ["O"]], [["O"]])
    with pytest.raises(ValueError, match="sentence 2 has 1 gold tags but 2"):
        score([["O"], ["O"]], [["O"], ["O", "O"]])


def test_score_spans_refuses_the_scheme_none():
    with pytest.raises(ValueError, match="score_tokens"):
        score_spans([["NOUN"]], [["NOUN"]], "none")


@given(pairs_of_tags(SPAN_TAGS), st.sampled_from(SCHEMES))
def test_scores_are_fractions_and_f1_lies_between_precision_and_recall(pairs, scheme):
    score = score_spans((g for g, _ in pairs), (p for _, p in pairs), scheme)
    precision, recall, f1 = score.precision, score.recall, score.f1
    assert precision is not None
    assert recall is not None
    assert f1 is not None
    assert 0 <= score.accuracy <= 1
    assert 0 <= min(precision, recall) <= f1 + 1e-12
    assert f1 <= max(precision, recall) + 1e-12 <= 1 + 1e-12
    for counts in score.types.values():
        assert 0 <= counts.correct <= min(counts.predicted, counts.gold)
        assert counts.predicted + counts.gold > 0


@given(pairs_of_tags(SPAN_TAGS), st.sampled_from(SCHEMES))
def test_swapping_the_sides_swaps_precision_and_recall(pairs, scheme):
    gold, predicted = [g for g, _ in pairs], [p for _, p in pairs]
    score, swapped = score_spans(gold, predicted, scheme), score_spans(predicted, gold, scheme)
    assert (score.precision, score.recall) == (swapped.recall, swapped.precision)
    assert (score.f1, score.lenient_f1, score.accuracy) == (swapped.f1, swapped.lenient_f1, swapped.accuracy)


@given(pairs_of_tags(SPAN_TAGS), st.sampled_from(SCHEMES))
def test_a_perfect_prediction_scores_one(pairs, scheme):
    gold = [g for g, _ in pairs]
    score = score_spans(gold, gold, scheme)
    assert score.accuracy == (1 if any(gold) else 0)
    assert score.f1 == (1 if score.types else 0)
    assert score.lenient_f1 == (1 if any(tag != "O" for tags in gold for tag in tags) else 0)
    assert score_tokens(gold, gold).accuracy == score.accuracy
